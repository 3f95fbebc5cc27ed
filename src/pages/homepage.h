/*
 * homepage.h
 *		homepage(): pages made of several answers.
 */
#ifndef PERSONALIZE_HOMEPAGE_H
#define PERSONALIZE_HOMEPAGE_H

extern void HomepageInit(void);

#endif
