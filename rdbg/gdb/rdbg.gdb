# GDB commands for rdbg. `rdbg debug` loads this file; or: (gdb) source .../rdbg/gdb/rdbg.gdb
#
# A remote stub cannot tell GDB that registers and memory have changed by `monitor loadvm` or `monitor goto`.
# So after every monitor command GDB is made to forget what it knows.

define rdbg-forget
  maintenance flush register-cache
  maintenance flush dcache
  # Watchpoints hold the value that they saw last, and compare the next one with it. Saying where shared libraries are
  # (a machine has none) makes GDB set all breakpoints anew, and read that value again.
  set solib-search-path
end
document rdbg-forget
Make GDB read registers, memory and the values of watchpoints again.
end

define hookpost-monitor
  rdbg-forget
end

# Tell rdbg so, or it would advise to do that by hand.
define target hookpost-remote
  monitor script
end
define target hookpost-extended-remote
  monitor script
end
if $_thread
  monitor script
end

# Execution history is the machine's own: there is no need to confirm anything about it.
set confirm off
