# $(B)/icount.so: the plugin that counts a guest's instructions, for `make bench`. Included by the Makefile of the repository.

B ?= build

$(B)/icount.so: tools/icount/icount.c tools/icount/icount.mk | packages
	@mkdir -p $(@D)
	gcc -std=c17 -O2 -Wall -Wextra -Werror -Wpedantic -Wconversion -shared -fPIC -o $@ $<
