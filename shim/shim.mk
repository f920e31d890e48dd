# The shim, $(B)/shim/shim: process 1 of every guest. Included by the Makefile of the repository.
#
# It is linked as one translation unit (-flto), so that only what is called is there, then packed (pack/). x86-64 needs no
# vector registers, arm64 no floating point: -mgeneral-regs-only serves both. SHIM_CC may be a cross compiler.
# $(B)/shim/shim.elf has the symbols. The unpacker is small anyway and runs once a byte: it is made quick.

B ?= build
DENO ?= deno
SHIM_CC ?= gcc
SHIM_SIZE_MAX := 8192

SHIM_SOURCES := $(addprefix shim/,init.c mounts.c boot_config.c control.c terminal.c network.c names.c root.c \
	workload.c supervise.c power.c text.c sys.c sys_calls.S)
SHIM_HEADERS := $(addprefix shim/,shim.h sys.h text.h) $(wildcard shim/arch/*.h)

SHIM_FLAGS := -std=c17 -Oz -flto -ffreestanding -nostdlib -static -fno-pie -no-pie -mgeneral-regs-only \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables -fomit-frame-pointer -fno-ident \
	-Wall -Wextra -Werror -Wpedantic -Wconversion -Wl,--build-id=none,-z,noseparate-code,-z,noexecstack

$(B)/shim/shim.elf: $(SHIM_SOURCES) $(SHIM_HEADERS) shim/shim.ld shim/shim.mk | packages
	@mkdir -p $(@D)
	$(SHIM_CC) $(SHIM_FLAGS) -Wl,-T,shim/shim.ld -o $@ $(SHIM_SOURCES)

$(B)/shim/unpack.elf: shim/pack/start.S shim/pack/unpack.c shim/pack/unpack.ld $(SHIM_HEADERS) shim/shim.mk | packages
	@mkdir -p $(@D)
	$(SHIM_CC) $(SHIM_FLAGS) -O2 -Wl,-T,shim/pack/unpack.ld -o $@ shim/pack/start.S shim/pack/unpack.c

$(B)/shim/shim: $(B)/shim/shim.elf $(B)/shim/unpack.elf shim/pack/pack.ts | $(DENO)
	$(DENO) run -R -W shim/pack/pack.ts $(B)/shim/shim.elf $(B)/shim/unpack.elf $@.new
	@size=$$(stat -c %s $@.new); if [ $$size -gt $(SHIM_SIZE_MAX) ]; then \
		echo "The shim has $$size bytes, over its limit of $(SHIM_SIZE_MAX)" >&2; exit 1; fi
	@mv $@.new $@
