/* An extension of freeDiameter that judges recorded messages and ends the daemon.
 *
 * Every line of the first file is one message in hexadecimal digits. It is decoded with freeDiameter's
 * dictionaries and held against their grammar; every line of the second file is the verdict: "ok", or the
 * step that failed, the error, and what freeDiameter says about it.
 *
 * Parameter: "messages-file verdicts-file".
 */
#include <freeDiameter/extension.h>

#define LONGEST (1 << 20)

static size_t octets_of(const char *digits, uint8_t *octets)
{
	size_t count = 0;
	unsigned int octet;

	while (sscanf(digits + 2 * count, "%2x", &octet) == 1)
		octets[count++] = (uint8_t)octet;
	return count;
}

static void verdict(FILE *out, const char *step, int error, struct fd_pei *about)
{
	if (!error) {
		fputs("ok\n", out);
		return;
	}
	fprintf(out, "%s: %s", step, strerror(error));
	if (about->pei_errcode)
		fprintf(out, " %s", about->pei_errcode);
	if (about->pei_message)
		fprintf(out, " %s", about->pei_message);
	fputc('\n', out);
}

static void judge(FILE *out, const char *digits)
{
	struct dictionary *known = fd_g_config->cnf_dict;
	struct fd_pei about;
	struct msg *message = NULL;
	uint8_t *octets = malloc(LONGEST);
	const char *step = "frame";
	size_t length = octets_of(digits, octets);
	int error;

	memset(&about, 0, sizeof about);
	error = fd_msg_parse_buffer(&octets, length, &message);
	if (!error) {
		step = "dictionary";
		error = fd_msg_parse_dict(message, known, &about);
	}
	if (!error) {
		step = "rules";
		error = fd_msg_parse_rules(message, known, &about);
	}
	verdict(out, step, error, &about);
	if (message)
		fd_msg_free(message);
}

static int judge_entry(char *files)
{
	static char line[2 * LONGEST];
	char from[1024], to[1024];
	FILE *in, *out;

	if (!files || sscanf(files, "%1023s %1023s", from, to) != 2)
		return EINVAL;
	in = fopen(from, "r");
	out = fopen(to, "w");
	if (!in || !out)
		return errno;
	while (fgets(line, sizeof line, in))
		judge(out, line);
	fclose(out);
	_exit(0);
}

void fd_ext_fini(void) { }

EXTENSION_ENTRY("judge", judge_entry, "dict_dcca_3gpp");
