/* marks.c: lets Python switch callgrind's counting on and off and ask for the
 * count so far. Outside valgrind all three do nothing. */
#include <valgrind/callgrind.h>

void mark_on(void) { CALLGRIND_START_INSTRUMENTATION; }
void mark_off(void) { CALLGRIND_STOP_INSTRUMENTATION; }

/* Write what was counted since the last call to a file of its own. */
void mark_dump(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
