// How a machine ends: what was asked for, by when, by whom it was ended, and the one word for it.
//
//   stop ----> told to the guest ----> grace + 5 s ----> SIGKILL     (a guest that never spoke: at the end of the grace)
//   kill --------------------------------------------> SIGKILL
//   `off` of the guest's, and no end of the VMM's ----> 10 s ------> SIGKILL
//   the companion ends, and the VMM does not ---------> SIGKILL      (unless a stop or `off` came meanwhile)
//
// A machine that is held is let go as soon as any of this begins (monitor_hold.c), so that no deadline passes unused.

#include "monitor.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum {
	AFTER_GRACE_MS = 5000,
	COMPANION_TERM_MS = 2000,
	// A companion ends when the VMM closes its link, so its end may be seen a moment before the VMM's, whose end it then is.
	COMPANION_DONE_MS = 2000,
	COMPANION_FAILED_MS = 200,
};

void end_kill_vmm(struct monitor *m)
{
	if (m->phase != RUNNING)
		return;
	// Its pid is its own until it is reaped. ESRCH cannot be, EPERM could only be with a VMM that changed its uid itself.
	(void)kill(m->children[VMM].pid, SIGKILL);
	m->kill_sent = true;
}

void end_stop(struct monitor *m, uint32_t grace_ms)
{
	if (m->phase != RUNNING)
		return;
	if (m->facts.stop == NULL)
		m->facts.stop = "stop";
	// A second stop may hurry the first, never delay it.
	sooner(&m->grace_end_ms, now_ms() + grace_ms);
	// A guest that does not read this is ended by the deadline; one that has not spoken yet is told when it does.
	if (m->heard)
		(void)guest_say(m, "stop", grace_ms);
	state_changed(m);
}

void end_kill(struct monitor *m)
{
	if (m->phase != RUNNING)
		return;
	m->facts.stop = "kill";
	end_kill_vmm(m);
	state_changed(m);
}

void end_child_ended(struct monitor *m, int which)
{
	uint64_t now = now_ms();
	struct child *child = &m->children[which], *companion = &m->children[COMPANION];
	if (which == VMM) {
		m->facts.ended_ns = now_ns();
		m->facts.vmm_status = WIFSIGNALED(child->status) ? 128 + WTERMSIG(child->status) : WEXITSTATUS(child->status);
		m->phase = ENDING;
		m->ending_deadline_ms = now + COMPANION_TERM_MS;
		if (companion->running)
			(void)kill(companion->pid, SIGTERM);  // Not reaped, so it is still itself.
		state_changed(m);
	} else if (m->phase == RUNNING && m->facts.stop == NULL && m->last_word == NULL) {
		bool done = WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0;
		m->companion_deadline_ms = now + (done ? COMPANION_DONE_MS : COMPANION_FAILED_MS);
	}
}

static void force(struct monitor *m)
{
	m->facts.forced = true;
	end_kill_vmm(m);
	state_changed(m);
}

// Does what is due, and says when the next thing will be.
void end_deadlines(struct monitor *m, uint64_t *next_ms)
{
	uint64_t now = now_ms();
	if (m->phase == ENDING) {
		if (m->children[COMPANION].running && now >= m->ending_deadline_ms)
			(void)kill(-m->children[COMPANION].pid, SIGKILL);  // Its group; it is not reaped yet.
		else if (m->children[COMPANION].running)
			sooner(next_ms, m->ending_deadline_ms);
		return;
	}
	if (m->phase != RUNNING || m->kill_sent)
		return;
	// A machine that is to end anyway gets the time that takes: its companion is not missed any more.
	if (m->facts.stop != NULL || m->last_word != NULL)
		m->companion_deadline_ms = 0;
	uint64_t stop_ms = m->grace_end_ms;
	if (stop_ms != 0 && m->heard)
		stop_ms += AFTER_GRACE_MS;
	if ((stop_ms != 0 && now >= stop_ms) || (m->off_deadline_ms != 0 && now >= m->off_deadline_ms)) {
		force(m);
	} else if (m->companion_deadline_ms != 0 && now >= m->companion_deadline_ms) {
		m->companion_failed = true;
		end_kill_vmm(m);
	} else {
		sooner(next_ms, stop_ms);
		sooner(next_ms, m->off_deadline_ms);
		sooner(next_ms, m->companion_deadline_ms);
	}
}

// The last line that is not empty of what a child printed.
static void add_last_words(struct text *text, const struct child *child)
{
	size_t end = child->tail_length;
	while (end > 0 && (child->tail[end - 1] == '\n' || child->tail[end - 1] == '\r' || child->tail[end - 1] == ' '))
		end--;
	size_t start = end;
	while (start > 0 && child->tail[start - 1] != '\n')
		start--;
	if (start == end)
		return;
	text_add(text, ": ");
	text_add_clean(text, child->tail + start, end - start);
}

static void add_child_end(struct text *text, const char *name, const struct child *child)
{
	text_add(text, name);
	if (WIFSIGNALED(child->status)) {
		text_add(text, " was ended by signal ");
		text_add_number(text, (uint64_t)WTERMSIG(child->status));
		text_add(text, " (");
		text_add(text, strsignal(WTERMSIG(child->status)));
		text_add(text, ")");
	} else {
		text_add(text, " ended with status ");
		text_add_number(text, (uint64_t)WEXITSTATUS(child->status));
	}
	add_last_words(text, child);
}

// What the shim said last on the console that it cannot do.
static void add_shim_line(struct text *text, const char *before, const struct monitor *m)
{
	static const char prefix[] = "volant: ";
	if (!m->shim_line.found)
		return;
	text_add(text, before);
	text_add_clean(text, m->shim_line.line + sizeof prefix - 1, m->shim_line.length - (sizeof prefix - 1));
}

static const char *cause(const struct monitor *m)
{
	const struct facts *facts = &m->facts;
	int status = m->children[VMM].status;
	bool by_us = m->kill_sent && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	if (facts->stop != NULL && strcmp(facts->stop, "kill") == 0)
		return "killed";
	if (m->companion_failed && by_us)
		return "companion-failed";
	if (WIFSIGNALED(status) && !by_us)
		return "vmm-crashed";
	if (!by_us && WEXITSTATUS(status) != 0)
		return "vmm-failed";
	if (m->last_word == NULL && m->panic)
		return m->panic_oom ? "guest-oom" : "guest-panic";
	// A shim that cannot even read its configuration has no control port to say `fault` on, only the console.
	if (m->last_word == NULL ? m->fault || (!m->heard && m->shim_line.found) : strcmp(m->last_word, "fault") == 0)
		return "guest-fault";
	// The power button, or another who reached the guest, may have asked in place of us.
	if (facts->stop != NULL || (m->last_word != NULL && strcmp(m->last_word, "exit") != 0))
		return "stopped";
	if (m->last_word != NULL)
		return m->oom ? "guest-oom" : "exited";
	return "guest-reset";
}

// Decides the cause, and finds a sentence for it. What fault and panic said stands where they are the cause.
void end_cause(struct monitor *m)
{
	char bytes[2 * DETAIL_MAX];
	struct text text = { bytes, sizeof bytes, 0 };
	struct facts *facts = &m->facts;
	facts->cause = cause(m);
	state_changed(m);
	bool by_panic = m->last_word == NULL && m->panic;
	if (strcmp(facts->cause, "guest-panic") == 0 || (by_panic && strcmp(facts->cause, "guest-oom") == 0))
		return;
	if (strcmp(facts->cause, "guest-fault") == 0) {
		if (m->fault)
			return;
		add_shim_line(&text, "", m);
	} else if (strcmp(facts->cause, "companion-failed") == 0) {
		add_child_end(&text, "the companion", &m->children[COMPANION]);
	} else if (strcmp(facts->cause, "vmm-failed") == 0 || strcmp(facts->cause, "vmm-crashed") == 0) {
		add_child_end(&text, "the VMM", &m->children[VMM]);
	} else if (strcmp(facts->cause, "guest-reset") == 0) {
		text_add(&text, "the guest ended without a last word");
		add_last_words(&text, &m->children[VMM]);
	} else if (strcmp(facts->cause, "guest-oom") == 0) {
		text_add(&text, "the guest ran out of memory and its kernel killed the workload");
	} else if (strcmp(facts->cause, "exited") == 0) {
		text_add(&text, "the workload ended");
		if (facts->workload_status >= 0) {
			text_add(&text, " with status ");
			text_add_number(&text, (uint64_t)facts->workload_status);
		}
		// 126 and 127: it never began.
		if (facts->workload_status == 126 || facts->workload_status == 127)
			add_shim_line(&text, ": ", m);
	} else if (facts->forced) {
		text_add(&text, "the guest did not end in time and the VMM was killed");
	}
	facts->detail[0] = '\0';
	state_detail(m, bytes, text.length);
}
