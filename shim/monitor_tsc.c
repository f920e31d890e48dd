// `monitor --tsc-khz` measures the rate of the time stamp counter, which an emulated guest must be told: it reads the host's
// counter, and a wrong rate makes its clock go wrong for as long as it runs. CPUID leaf 15h would say it, but not on every
// processor, and not under every hypervisor.

#include "monitor.h"

#include <unistd.h>

#ifdef __x86_64__

// Reading both ends costs some hundred ns, so this gives the rate to a few parts in a million.
enum { MEASURE_NS = 50000000 };

static uint64_t ticks(void)
{
	uint32_t low, high;
	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
	return ((uint64_t)high << 32) | low;
}

// Prints the rate in kHz; the process's exit status.
int tsc_print_khz(void)
{
	char bytes[32];
	struct text line = { bytes, sizeof bytes, 0 };
	uint64_t start_ns = now_steady_ns(), start = ticks(), end_ns, end;
	do {
		end_ns = now_steady_ns();
		end = ticks();
	} while (end_ns - start_ns < MEASURE_NS);
	text_add_number(&line, (end - start) * 1000000 / (end_ns - start_ns));
	text_add(&line, "\n");
	return write(STDOUT_FILENO, bytes, line.length) == (ssize_t)line.length ? 0 : 1;
}

#else

// Other processors say the rate themselves.
int tsc_print_khz(void)
{
	return 1;
}

#endif
