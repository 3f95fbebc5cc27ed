// The tables that drizzle-kit makes: none of personalize's.
import { pgTable, serial, text } from 'drizzle-orm/pg-core'

export const visits = pgTable('drizzle_visit', { id: serial().primaryKey(), page: text().notNull() })
