# Finds who overwrote tank.limit, by going backward from the alarm. examples/demo.py runs it; or, by hand:
#   rdbg debug tank.rec --at end --script examples/tank.gdb
set pagination off
set width 0
directory examples/guest

echo \n--- 1. The end of the recording: the guest has raised the alarm and switched itself off.\n
backtrace
echo \n--- 2. The limit was 900 when it started. What is it now?\n
print tank.limit
echo \n--- 3. Who wrote that? Watch the variable and let the machine run backward.\n
watch tank.limit
reverse-continue
echo \n--- 4. The machine stands at the store that did it. Time runs backward, so 'new' is the value before it.\n
echo ---    It happened in a timer interrupt, while main was looking elsewhere:\n
backtrace
print next
print tank
echo \n--- 5. One step further back: next is 8, and samples has only 8 elements (0 to 7).\n
delete
reverse-stepi
print next
print &tank.samples[8]
print &tank.limit
echo \n--- 6. Back to where that interrupt came, and then to the very beginning.\n
break timer_interrupt
reverse-continue
print taken
delete
reverse-continue
