#!/bin/sh
# Writes agent-vN.sql and device-vN.sql, N being the schema's version now:
#   src/store/testdata/make_fixtures.sh build/dev/bin/store_test
# Run it once when a version is finished; fixtures of released versions are never written again.
set -eu
test_program=$1
here=$(dirname "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
LATCHKEY_FIXTURE_DIR="$folder" "$test_program" --gtest_also_run_disabled_tests \
  --gtest_filter='FixtureTest.DISABLED_Write'
for name in agent device; do
  file="$folder/$name.db"
  test -s "$file"
  version=$(sqlite3 "$file" 'PRAGMA user_version')
  out="$here/$name-v$version.sql"
  if [ -e "$out" ]; then
    echo "$out is kept: remove it first if it was never released" >&2
    continue
  fi
  {
    sqlite3 "$file" .dump
    echo "PRAGMA application_id=$(sqlite3 "$file" 'PRAGMA application_id');"
    echo "PRAGMA user_version=$version;"
  } >"$out"
done
