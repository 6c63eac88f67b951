# From a crashed daemon back to the packet: gdb-multiarch -x sensors.gdb sensors, with rdbg replay served at port $port.
set confirm off
set pagination off
set sysroot
eval "target remote :%d", $port
monitor goto end
maintenance flush register-cache
# The last time that it printed its table it crashed: what with?
break print_table
reverse-continue
print table.title
watch -location table.title
reverse-continue
print/x *datagram@6
# The kernel copied the datagram to it: from where?
delete
watch -location *(short *)(datagram + 2)
reverse-continue
x/i $pc
find /1 $a1 - 64, $a1 + 64, (short)1234
# Its driver copied it: from where?
delete
watch -location *(short *)$_
reverse-continue
x/i $pc
find /1 $a1 - 64, $a1 + 64, (short)1234
# There a network card put it.
delete
watch -location *(short *)$_
reverse-continue
monitor info inputs 1
