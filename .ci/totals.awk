# Sums the summary lines of `deno test`: "ok | 7 passed (2 steps) | 1 failed | 3 ignored (4s)".
/^(ok|FAILED) \| [0-9]+ passed/ {
  for (field = 2; field < NF; field++) {
    if ($(field + 1) ~ /^passed/) passed += $field
    if ($(field + 1) ~ /^failed/) failed += $field
  }
}
END { print passed + 0, failed + 0 }
