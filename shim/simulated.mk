# build/shim/simulated: the VMM of the hypervisor `simulated`. Made as the monitor is, whose text functions it uses.

SIMULATED_SOURCES := $(sort $(wildcard shim/simulated*.c)) shim/monitor_text.c

$(B)/shim/simulated: $(SIMULATED_SOURCES) shim/simulated.h shim/monitor.h shim/simulated.mk shim/monitor.mk
	@mkdir -p $(@D)
	$(MONITOR_CC) $(MONITOR_CFLAGS) -o $@ $(SIMULATED_SOURCES)
