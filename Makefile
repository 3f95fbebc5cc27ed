# personalize: a PostgreSQL extension, built with PGXS.
#   make              build              make install      install (PG_CONFIG chooses the server)
#   make quickstart   everything from nothing to a recommendation
#   make test         every test, in throw-away clusters      make bench   the table of speeds

EXTENSION = personalize
EXTVERSION = 0.1.0
MODULE_big = personalize
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA_built = personalize--$(EXTVERSION).sql
DATA = $(wildcard personalize--*--*.sql)

# The parts, in the order in which their SQL is installed: a part may use
# only parts above it.
SQL_PARTS = base/role base/setting base/choice base/clock base/key base/table_cache base/path_filter base/view_try base/dictionary people/refused_id base/event_time events/event_json \
	base/txid base/secret base/counter base/progress events/event people/consent people/identity people/policy people/ledger \
	people/consent_decode events/ingest events/tail_cover events/inbox workers/processor signals/feature_state \
	signals/signal profiles/profile profiles/segment profiles/preference items/item items/item_stat profiles/analyst cohorts/cohort features/feature_view features/feature_stat \
	models/model neighbours/neighbour search/search_index engines/variant engines/rule engines/session_neighbours engines/tune exposures/request_id exposures/query exposures/exposure exposures/attraction exposures/examination exposures/suggest engines/recommend engines/rank_search engines/search_items engines/why_not training/training pages/page_module pages/page_segment pages/homepage experiments/statistic experiments/metric experiments/experiment experiments/result evaluation/policy_value evaluation/question evaluation/logged evaluation/replay evaluation/evaluate evaluation/show_as_of erasure/retention \
	erasure/erasure erasure/erasure_status operation/state_hash erasure/rights operation/monitor operation/maintenance_job \
	operation/storage operation/publication operation/data_quality items/item_health operation/health \
	operation/security_check operation/restored operation/reset operation/text_id operation/forward operation/comment operation/grants

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test
EXTRA_CLEAN = personalize--$(EXTVERSION).sql build

PG_CONFIG ?= pg_config
PG_CPPFLAGS = -I$(srcdir)/src -DPERSONALIZE_VERSION='"$(EXTVERSION)"'
# Other libraries of the server may have functions of the same names.
PG_CFLAGS = -Wno-declaration-after-statement -fvisibility=hidden
# A fresh machine has no pg_config yet, and one that comes with a client's
# library knows no server: quickstart and test install what is missing.
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifneq ($(and $(PGXS),$(wildcard $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)/postgres.h)),)
include $(PGXS)
else
all install uninstall installcheck clean:
	@PERSONALIZE_PG_CONFIG='$(PG_CONFIG)' bash -c '. ./test/server; no_server'
endif

$(OBJS): $(wildcard src/*.h src/*/*.h)

# trees are walked by several rows side by side
src/models/tree_model.o: CFLAGS += $(CFLAGS_UNROLL_LOOPS)

personalize--$(EXTVERSION).sql: $(SQL_PARTS:%=src/%.sql) Makefile
	{ printf '%s\n' '\echo Use "CREATE EXTENSION personalize" to load this file. \quit'; cat $(filter %.sql,$^); } > $@

# The scripts choose and copy servers themselves; an inherited DATA or
# PG_CONFIG must not reach the makes they run.
.PHONY: quickstart quickstart-stop test bench
quickstart:
	@SIZE='$(SIZE)' SEED='$(SEED)' PERSONALIZE_PG_CONFIG='$(PG_CONFIG)' ./demo/quickstart $(if $(filter command line,$(origin DATA)),'$(DATA)')
quickstart-stop:
	@PERSONALIZE_PG_CONFIG='$(PG_CONFIG)' ./demo/quickstart --stop
test:
	@PERSONALIZE_PG_CONFIG='$(PG_CONFIG)' COPT='$(COPT)' ./test/run $(TESTS)
bench:
	@PERSONALIZE_PG_CONFIG='$(PG_CONFIG)' MINUTES='$(MINUTES)' OLD='$(OLD)' ./test/bench/run $(BENCH)
