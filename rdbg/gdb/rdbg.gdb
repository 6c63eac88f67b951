# GDB commands for rdbg. `rdbg debug` loads this file; or: (gdb) source .../rdbg/gdb/rdbg.gdb
#
# A remote stub cannot tell GDB that registers and memory have changed by `monitor loadvm` or `monitor goto`.
# So after every monitor command GDB is made to forget what it knows.

define hookpost-monitor
  maintenance flush register-cache
  maintenance flush dcache
end

# Tell rdbg so, or it would advise to do that by hand.
define target hookpost-remote
  monitor script
end
define target hookpost-extended-remote
  monitor script
end

# Execution history is the machine's own: there is no need to confirm anything about it.
set confirm off
