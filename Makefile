# Sallyport: the only build file.
#
#   make          build/sallyport-sbc, build/sallyport-rtpproxy, build/sallyport
#   make deps     installs what debian/control names (root, or sudo without a password)
#   make demo     an encrypted call from a phone outside to a phone inside, and what was seen of it
#   make run      the demo's processes, kept running, without the scripted calls
#   make test     everything that checks itself; ends with one line "N passed, N failed"
#   make conformance  writes docs/conformance.md from the results of the last test
#   make lint     directions of dependency, purity, format, cppcheck
#   make bench    figures of every hot path, beside the peers' where they are installed
#   make fuzz     each fuzz target for FUZZ_SECONDS (default 600)
#   make install  below DESTDIR and PREFIX
#   make deb      the Debian packages, in build/deb; without the tests, which `make test` runs
#   make clean
#
#   make format   applies .clang-format
#   make asan     the three programs with sanitizers, in build/asan
#
# Variables: CC (gcc or clang), CFLAGS (added to ours), V=1 (show commands), FUZZ_SECONDS, PREFIX, DESTDIR
# Tests run on a build with ASan and UBSan in build/asan; programs and benchmarks on build/rel.

CC       ?= gcc
FUZZ_CC  ?= clang
PREFIX   ?= /usr
B        := build
Q        := $(if $(V),,@)
VERSION  := 0.1.0

ifeq ($(origin CC),default)
CC := gcc
endif

WARN  := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wswitch-enum -Wconversion \
         -Wvla -Wformat=2 -Wundef -Wpointer-arith -Wno-string-conversion -Werror
BASE  := -std=gnu11 -g -I. -D_GNU_SOURCE -DSALLYPORT_VERSION='"$(VERSION)"' -pthread -MMD -MP -fPIE -fno-strict-aliasing
# What may be missing: on other processors than amd64 there is no libipsec-mb.
ifneq ($(wildcard /usr/include/intel-ipsec-mb.h),)
EXTRA_rtpproxy_core += -DSALLYPORT_IPSEC_MB
LIBS_IPSEC := -Wl,--as-needed -lIPSec_MB -Wl,--no-as-needed
else
ABSENT += rtpproxy/core/srtp_ipsec_mb.c
endif
CF_rel  := $(BASE) $(WARN) -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong
CF_asan := $(BASE) $(WARN) -O1 -DSALLYPORT_DEBUG -fno-omit-frame-pointer -fsanitize=address,undefined \
           -fno-sanitize-recover=undefined
CF_fuzz := $(BASE) $(WARN) -O1 -DSALLYPORT_DEBUG -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
           -fno-sanitize-recover=undefined
LF_rel  := -pie -Wl,-z,relro,-z,now -pthread
LF_asan := -pie -fsanitize=address,undefined -pthread
LF_fuzz := -pie -fsanitize=fuzzer,address,undefined -pthread

# What each layer may link: the linker proves purity a second time (make lint).
LIBS_pure  := -lcrypto -lyaml -lpcre2-8 -ljansson -losipparser2 -losip2 -lsrtp2 $(LIBS_IPSEC)
LIBS_shell := -levent_core -levent_extra -levent_openssl -levent_pthreads -lssl -lcares -lhiredis -lmaxminddb
LIBS       := $(LIBS_shell) $(LIBS_pure) -lm

# Folders that become archives, lower ones last (link order).
ARCHIVES := sbc/shell sbc/core rtpproxy/io rtpproxy/core policy common
src      = $(filter-out $(ABSENT),$(sort $(wildcard $(1)/*.c)))
lib      = $(patsubst %,$(B)/$(1)/lib/%.a,$(subst /,_,$(ARCHIVES)))
# Each daemon links its own folders only: the two have files and functions of the same name.
lib_sbc  = $(filter-out %/rtpproxy_io.a %/rtpproxy_core.a,$(call lib,$(1)))
lib_rtp  = $(filter-out %/sbc_shell.a %/sbc_core.a,$(call lib,$(1)))

# The programs for the kernel and their loader are built where clang, bpftool and libbpf are; without
# them (or with BPF=no) the relay is the same and finds no maps: tier sockets.
BPF      ?= $(shell pkg-config --exists libbpf 2>/dev/null && command -v clang >/dev/null && { command -v bpftool || ls /usr/sbin/bpftool; } >/dev/null 2>&1 && echo yes || echo no)
BPFTOOL  := $(shell command -v bpftool || echo /usr/sbin/bpftool)
LOADER   := $(if $(filter yes,$(BPF)),$(B)/sallyport-bpf)

# What tells the kernel of banned sources is built where libnftables is; without it bans are kept by the SBC alone.
BANNER   := $(if $(wildcard /usr/include/nftables/libnftables.h),$(B)/sallyport-ban)

all: $(B)/sallyport-sbc $(B)/sallyport-rtpproxy $(B)/sallyport $(LOADER) $(BANNER)

# ---- objects and archives, once for each variant (rel, asan, fuzz)
define VARIANT
$(B)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo "  CC    $(1)/$$<")
	$(Q)$(if $(filter fuzz,$(1)),$(FUZZ_CC),$(CC)) $$(CF_$(1)) $$(CFLAGS) $$(EXTRA_$$(subst /,_,$$(patsubst %/,%,$$(dir $$<)))) -c -o $$@ $$<
$(foreach a,$(ARCHIVES),$(eval $(B)/$(1)/lib/$(subst /,_,$(a)).a: $(patsubst %.c,$(B)/$(1)/%.o,$(call src,$(a)))))
$(B)/$(1)/lib/%.a:
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)ar rcs $$@ $$^
endef
$(foreach v,rel asan fuzz,$(eval $(call VARIANT,$(v))))

# ---- the three programs
link = $(if $(V),,@echo "  LINK  $@";)$(CC) $(LF_$(1)) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)
config_objs := $(patsubst %.c,%,$(wildcard sbc/config*.c))
sbc_objs  := sbc/main $(config_objs)
cli_objs  := $(patsubst %.c,%,$(call src,sbc/cli)) $(config_objs)
rtp_objs  := rtpproxy/main rtpproxy/control

$(B)/sallyport-sbc: $(sbc_objs:%=$(B)/rel/%.o) $(call lib_sbc,rel)
	$(call link,rel)
$(B)/sallyport-rtpproxy: $(rtp_objs:%=$(B)/rel/%.o) $(call lib_rtp,rel)
	$(call link,rel)
$(B)/sallyport: $(cli_objs:%=$(B)/rel/%.o) $(call lib_sbc,rel)
	$(call link,rel)
$(B)/sallyport-ban: $(B)/rel/sbc/nft/main.o $(B)/rel/sbc/shell/ban_wire.o $(B)/rel/lib/common.a
	$(if $(V),,@echo "  LINK  $@";)$(CC) $(LF_rel) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lnftables
# ---- programs in the kernel: rtpproxy/bpf/X.bpf.c → build/bpf/X.skel.h
$(B)/bpf/%.bpf.o: rtpproxy/bpf/%.bpf.c $(wildcard rtpproxy/bpf/*.h)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  BPF   $<")
	$(Q)clang -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I/usr/include/$(shell $(CC) -print-multiarch 2>/dev/null || gcc -print-multiarch) -c -o $@ $<
$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf >$@.new && mv $@.new $@
$(B)/rel/rtpproxy/loader/loader.o: $(B)/bpf/relay.skel.h
EXTRA_rtpproxy_loader := -I$(B)/bpf -Wno-conversion -Wno-sign-conversion
$(B)/sallyport-bpf: $(B)/rel/rtpproxy/loader/loader.o $(B)/rel/rtpproxy/control.o $(call lib_rtp,rel)
	$(call link,rel) -lbpf

# The same daemons with sanitizers, for the end-to-end plays.
$(B)/asan/sallyport-sbc: $(sbc_objs:%=$(B)/asan/%.o) $(call lib_sbc,asan)
	$(call link,asan)
$(B)/asan/sallyport-rtpproxy: $(rtp_objs:%=$(B)/asan/%.o) $(call lib_rtp,asan)
	$(call link,asan)
$(B)/asan/sallyport: $(cli_objs:%=$(B)/asan/%.o) $(call lib_sbc,asan)
	$(call link,asan)
asan: $(B)/asan/sallyport-sbc $(B)/asan/sallyport-rtpproxy $(B)/asan/sallyport

# ---- tests: every program prints TAP; tests/run.sh adds them up
support   := $(patsubst %.c,%.o,$(call src,tests/support))
unit      := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
fuzzers   := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
benches   := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c))
# What fuzz targets and benchmarks may share: no cmocka in these.
helpers   := tests/support/media.o tests/support/srtp_watch.o tests/support/site.o tests/support/ports_rec.o tests/support/store_model.o tests/support/redis.o
sim_objs  := $(patsubst %.c,%.o,$(call src,tests/sim))

$(B)/asan/tests/unit/test_%: $(B)/asan/tests/unit/test_%.o $(support:%=$(B)/asan/%) $(config_objs:%=$(B)/asan/%.o) $(B)/asan/rtpproxy/control.o $(call lib,asan)
	$(Q)$(call link,asan) -lcmocka
# The same without sanitizers, for what compares a million packets.
$(B)/rel/tests/unit/test_%: $(B)/rel/tests/unit/test_%.o $(support:%=$(B)/rel/%) $(config_objs:%=$(B)/rel/%.o) $(B)/rel/rtpproxy/control.o $(call lib,rel)
	$(Q)$(call link,rel) -lcmocka
$(B)/asan/tests/fuzz/fuzz_%: $(B)/asan/tests/fuzz/fuzz_%.o $(B)/asan/tests/fuzz/main_replay.o $(helpers:%=$(B)/asan/%) $(config_objs:%=$(B)/asan/%.o) $(call lib,asan)
	$(Q)$(call link,asan)
$(B)/fuzz/tests/fuzz/fuzz_%: $(B)/fuzz/tests/fuzz/fuzz_%.o $(helpers:%=$(B)/fuzz/%) $(config_objs:%=$(B)/fuzz/%.o) $(call lib,fuzz)
	$(Q)$(FUZZ_CC) $(LF_fuzz) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)
$(B)/rel/tests/bench/bench_%: $(B)/rel/tests/bench/bench_%.o $(B)/rel/tests/bench/run.o $(helpers:%=$(B)/rel/%) $(call lib,rel)
	$(Q)$(call link,rel)
$(B)/asan/tests/sim/world: $(sim_objs:%=$(B)/asan/%) $(B)/asan/tests/support/store_model.o $(call lib_sbc,asan)
	$(Q)$(call link,asan)
$(B)/rel/tests/sim/world: $(sim_objs:%=$(B)/rel/%) $(B)/rel/tests/support/store_model.o $(call lib_sbc,rel)
	$(Q)$(call link,rel)

# The town: months of telephoning under a configuration as it is written.
town_objs := $(patsubst %.c,%.o,$(call src,tests/town)) tests/sim/clock.o tests/sim/dice.o tests/support/cert.o tests/support/check.o
$(B)/asan/tests/town/town: $(town_objs:%=$(B)/asan/%) $(config_objs:%=$(B)/asan/%.o) $(call lib_sbc,asan)
	$(Q)$(call link,asan) -lcmocka
$(B)/rel/tests/town/town: $(town_objs:%=$(B)/rel/%) $(config_objs:%=$(B)/rel/%.o) $(call lib_sbc,rel)
	$(Q)$(call link,rel) -lcmocka

# The programs against the C path; nothing to build where they are not built.
BPF_TEST := $(if $(LOADER),$(B)/asan/tests/bpf/test_bpf)
$(B)/asan/tests/bpf/test_bpf.o: $(B)/bpf/relay.skel.h
EXTRA_tests_bpf := -I$(B)/bpf -Wno-conversion -Wno-sign-conversion
$(B)/asan/tests/bpf/test_bpf: $(B)/asan/tests/bpf/test_bpf.o $(support:%=$(B)/asan/%) $(config_objs:%=$(B)/asan/%.o) $(B)/asan/rtpproxy/control.o $(call lib,asan)
	$(Q)$(call link,asan) -lcmocka -lbpf

unit: $(BPF_TEST) $(unit:%=$(B)/asan/tests/unit/%) $(B)/rel/tests/unit/test_srtp_oracle
fuzz-build: $(fuzzers:%=$(B)/fuzz/tests/fuzz/%)
replay: $(fuzzers:%=$(B)/asan/tests/fuzz/%)
bench-build: $(benches:%=$(B)/rel/tests/bench/%)
sim: $(B)/rel/tests/sim/world $(B)/asan/tests/sim/world $(B)/rel/tests/town/town

# test: all layers. test-quick: without real daemons.
test:
	@tests/deps.sh need
	@$(MAKE) --no-print-directory all asan unit replay sim
	@tests/run.sh unit fuzz sim e2e conformance
# After a test: docs/conformance.md anew.
conformance:
	@tests/conformance/report.py
test-quick: unit replay sim
	@tests/run.sh unit fuzz sim
# One unit test: make t-table
t-%: $(B)/asan/tests/unit/test_%
	@CMOCKA_MESSAGE_OUTPUT=TAP $<

help:
	@sed -n 's/^#   //p' Makefile

lint:
	@tests/lint/lint.sh
format:
	@clang-format -i $$(git ls-files '*.c' '*.h')
bench: all bench-build
	@tests/bench/run.sh
fuzz: fuzz-build
	@tests/fuzz/run.sh $${FUZZ_SECONDS:-600}
deps:
	@tests/deps.sh install
demo: 
	@tests/deps.sh need
	@$(MAKE) --no-print-directory all
	@tests/e2e/demo.py
run:
	@tests/deps.sh need
	@$(MAKE) --no-print-directory all
	@tests/e2e/demo.py --keep

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)/etc/sallyport $(DESTDIR)/lib/systemd/system
	install -m 755 $(B)/sallyport $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(B)/sallyport-sbc $(B)/sallyport-rtpproxy $(DESTDIR)$(PREFIX)/sbin/
	$(if $(LOADER),install -m 755 $(LOADER) $(DESTDIR)$(PREFIX)/sbin/)
	$(if $(BANNER),install -m 755 $(BANNER) $(DESTDIR)$(PREFIX)/sbin/)
	install -m 644 systemd/*.service $(DESTDIR)/lib/systemd/system/
	install -D -m 644 systemd/sallyport.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/sallyport.conf
	install -D -m 644 systemd/sallyport.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/sallyport.conf
	install -m 640 etc/sallyport.yaml $(DESTDIR)/etc/sallyport/sallyport.yaml.example
	install -D -m 644 etc/destinations.csv $(DESTDIR)$(PREFIX)/share/sallyport/destinations.csv
	test -e $(DESTDIR)/etc/sallyport/destinations.csv || install -m 644 etc/destinations.csv $(DESTDIR)/etc/sallyport/
	install -D -m 644 etc/redis/sallyport.lua $(DESTDIR)$(PREFIX)/share/sallyport/sallyport.lua
	install -d $(DESTDIR)$(PREFIX)/share/doc/sallyport
	install -m 644 README.md LICENSE docs/*.md $(DESTDIR)$(PREFIX)/share/doc/sallyport/
# In a copy, so that the tree stays as it is. Its version is debian/changelog's.
deb:
	rm -rf $(B)/deb
	install -d $(B)/deb/sallyport
	tar --exclude=./$(B) --exclude=./.git -cf - . | tar -xf - -C $(B)/deb/sallyport
	cd $(B)/deb/sallyport && env -u MAKEFLAGS -u MFLAGS DEB_BUILD_OPTIONS="nocheck $(DEB_BUILD_OPTIONS)" \
		dpkg-buildpackage -b -us -uc -Pnocheck
	@ls $(B)/deb/*.deb
clean:
	rm -rf $(B)

.PHONY: all help asan unit fuzz-build replay bench-build sim test test-quick conformance lint format bench fuzz deps demo run install deb clean
.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
