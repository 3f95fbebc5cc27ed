/*
 * cron_probe.c
 *		Can pg_cron connect to run a job?
 *
 * Unless cron.use_background_workers is on, pg_cron connects like any client, to
 * cron.host and as the job's owner, and nobody is there to type a password.  What
 * a server that listens on sockets only, or pg_hba.conf, makes of that is found
 * out by doing the same: a startup packet is sent, and the answer is looked at.
 * Whether a password that is asked for lies in a password file is not.
 */
#include "postgres.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "commands/dbcommands.h"
#include "compat.h"
#include "fmgr.h"
#include "libpq/pqcomm.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "postmaster/postmaster.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(personalize_cron_host);
PG_FUNCTION_INFO_V1(personalize_cron_unreachable);

/* How long an answer may take. */
#define PATIENCE_MS 5000

/* Authentication requests: AUTH_REQ_* of the protocol. */
#define REQUEST_OK 0
#define REQUEST_PLAIN 3
#define REQUEST_MD5 5
#define REQUEST_SASL 10

/* A socket that does not wait for ever. */
static int
MakeSocket(int family)
{
	int			descriptor = socket(family, SOCK_STREAM, 0);
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};

	if (descriptor >= 0)
		(void) setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return descriptor;
}

/* A setting, or what it is by default. */
static const char *
Setting(const char *name, const char *otherwise)
{
	const char *value = GetConfigOption(name, true, false);

	return value ? value : otherwise;
}

/* Connect to the socket in a directory. */
static int
ConnectSocket(const char *directory)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int			descriptor = MakeSocket(AF_UNIX);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.%d", directory, PostPortNumber);
	if (descriptor >= 0 && connect(descriptor, (struct sockaddr *) &address, sizeof(address)) != 0)
	{
		close(descriptor);
		return -1;
	}
	return descriptor;
}

/* Connect to the first address of a host that answers. */
static int
ConnectHost(const char *host)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *addresses = NULL;
	int			descriptor = -1;

	if (getaddrinfo(host, psprintf("%d", PostPortNumber), &hints, &addresses) != 0)
		return -1;
	for (struct addrinfo *address = addresses; address && descriptor < 0; address = address->ai_next)
	{
		descriptor = MakeSocket(address->ai_family);
		if (descriptor >= 0 && connect(descriptor, address->ai_addr, address->ai_addrlen) != 0)
		{
			close(descriptor);
			descriptor = -1;
		}
	}
	freeaddrinfo(addresses);
	return descriptor;
}

/* Say who wants into which database. */
static bool
SendStartup(int descriptor, const char *role, const char *database)
{
	char		packet[4 * NAMEDATALEN + 64];
	int			length = 8;
	uint32		word = pg_hton32(PG_PROTOCOL(3, 0));

	memcpy(packet + 4, &word, 4);
	length += sprintf(packet + length, "user%c%s", 0, role) + 1;
	length += sprintf(packet + length, "database%c%s", 0, database) + 1;
	packet[length++] = '\0';
	word = pg_hton32(length);
	memcpy(packet, &word, 4);
	return send(descriptor, packet, length, MSG_NOSIGNAL) == length;
}

/* Read the beginning of the answer, a type and a message; the number of bytes. */
static int
ReadAnswer(int descriptor, char *answer, int size)
{
	int			count = 0;

	/* an error is read to its end, of a request the first nine bytes are enough */
	while (count < size && !(count >= 9 && answer[0] != 'E'))
	{
		struct pollfd wait = {.fd = descriptor,.events = POLLIN};
		int			got;

		CHECK_FOR_INTERRUPTS();
		if (poll(&wait, 1, PATIENCE_MS) <= 0)
			break;
		got = recv(descriptor, answer + count, size - count, 0);
		if (got <= 0)
			break;
		count += got;
	}
	return count;
}

/* The text of an error, field M; NULL if the server is only too busy to tell. */
static char *
ErrorText(const char *answer, int length)
{
	char	   *text = NULL;

	for (int at = 5; at < length && answer[at] != '\0'; at += strnlen(answer + at, length - at) + 1)
	{
		char	   *field = pnstrdup(answer + at + 1, strnlen(answer + at + 1, length - at - 1));

		if (answer[at] == 'C' && strncmp(field, "28", 2) != 0 && strncmp(field, "3D", 2) != 0)
			return NULL;
		if (answer[at] == 'M')
			text = field;
	}
	/* who prefers TLS, as pg_cron does, may still be let in */
	if (text && strstr(text, "no encryption") && strcmp(Setting("ssl", "off"), "on") == 0)
		return NULL;
	return text;
}

/* True if there is a file with passwords for what the server's own user connects to. */
static bool
HasPasswordFile(void)
{
	const char *file = getenv("PGPASSFILE");
	const char *home = getenv("HOME");
	struct stat status;

	if (getenv("PGPASSWORD"))
		return true;
	return stat(file ? file : psprintf("%s/.pgpass", home ? home : ""), &status) == 0;
}

/* Why a connection that stands is not let in; NULL if it is, or it cannot be told. */
static char *
WhyRefused(int descriptor, const char *role, const char *database)
{
	char		answer[1024];
	int			length;
	uint32		request;

	if (!SendStartup(descriptor, role, database))
		return NULL;
	length = ReadAnswer(descriptor, answer, sizeof(answer));
	if (length > 5 && answer[0] == 'E')
		return ErrorText(answer, length);
	if (length < 9 || answer[0] != 'R')
		return NULL;
	memcpy(&request, answer + 5, 4);
	request = pg_ntoh32(request);
	if (request == REQUEST_OK)
		(void) send(descriptor, "X\0\0\0\4", 5, MSG_NOSIGNAL);
	if ((request == REQUEST_PLAIN || request == REQUEST_MD5 || request == REQUEST_SASL) && !HasPasswordFile())
		return psprintf("a password is asked of role \"%s\", and pg_cron has none", role);
	return NULL;
}

/* Where pg_cron connects to; NULL if it does not, or is not there. */
static const char *
CronHost(void)
{
	return strcmp(Setting("cron.use_background_workers", "off"), "on") == 0 ? NULL : Setting("cron.host", NULL);
}

/* _cron_host(): where jobs are run that are made now. */
Datum
personalize_cron_host(PG_FUNCTION_ARGS)
{
	const char *host = CronHost();

	if (host == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(host));
}

/* _cron_unreachable(): why jobs of the current user could not run. */
Datum
personalize_cron_unreachable(PG_FUNCTION_ARGS)
{
	const char *host = CronHost();
	char	   *why;
	int			descriptor;

	if (host == NULL)
		PG_RETURN_NULL();
	descriptor = host[0] == '/' || host[0] == '\0' ?
		ConnectSocket(host[0] ? host : DEFAULT_PGSOCKET_DIR) : ConnectHost(host);
	if (descriptor < 0)
		PG_RETURN_TEXT_P(cstring_to_text(psprintf("nobody listens at cron.host \"%s\", port %d; listen_addresses is \"%s\"",
												  host, PostPortNumber, Setting("listen_addresses", ""))));
	PG_TRY();
	{
		why = WhyRefused(descriptor, GetUserNameFromId(GetUserId(), false), get_database_name(MyDatabaseId));
	}
	PG_FINALLY();
	{
		close(descriptor);
	}
	PG_END_TRY();
	if (why == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("at cron.host \"%s\" %s", host, why)));
}
