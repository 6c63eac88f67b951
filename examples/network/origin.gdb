# From a crashed daemon back to the packet in one question, with rdbg replay served at port $port:
# gdb-multiarch -x ../../rdbg/gdb/rdbg_gdb.py -x origin.gdb sensors
set confirm off
set pagination off
set sysroot
eval "target remote :%d", $port
monitor goto end
maintenance flush register-cache
break print_table
reverse-continue
print table.title
rdbg origin table.title
