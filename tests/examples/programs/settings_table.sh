# The tables in the documentation are what the program says of itself.

test_settings_table() {
  run 0 train --settings
  [[ $(grep -c '^| `' "$scratch/out") -gt 60 ]] || fail "--settings: not all of them" "$scratch/out"
  sed -n '/^## /,$p' "$here/../../docs/settings.md" >"$scratch/documented"
  diff "$scratch/documented" "$scratch/out" >"$scratch/difference" ||
    fail "docs/settings.md is not current; put what minivit train --settings prints below its introduction" "$scratch/difference"
}
