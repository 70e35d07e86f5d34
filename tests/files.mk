# Test programs. Unit tests: tests/unit/AREA/test-*.c, each one program against the code that ships.
-include tests/elastistor-sim/files.mk
UNIT_SRC := $(wildcard tests/unit/*/test-*.c)
