# build/shim/monitor: one small static program. musl gives a twentieth of the size glibc would and, without a heap or a locale, all
# that is needed; another compiler is named by MONITOR_CC, e.g. aarch64-linux-musl-gcc.

B ?= build
MONITOR_CC ?= musl-gcc
MONITOR_CFLAGS := -std=c17 -D_GNU_SOURCE -Os -static -Wall -Wextra -Werror -Wpedantic -Wconversion \
	-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -Wl,--gc-sections -Wl,--build-id=none -s
MONITOR_SOURCES := $(sort $(wildcard shim/monitor*.c))

$(B)/shim/monitor: $(MONITOR_SOURCES) shim/monitor.h shim/monitor.mk
	@mkdir -p $(@D)
	$(MONITOR_CC) $(MONITOR_CFLAGS) -o $@ $(MONITOR_SOURCES)
