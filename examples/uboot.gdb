# Finds the instruction of U-Boot that carried out `mw.l 81000000 cafe0001`. examples/demo_uboot.py runs it.
# Debian's U-Boot has no symbols, so this is done with addresses alone.
set pagination off
set width 0

echo \n--- 1. The end of the recording. Who wrote the word at 0x81000000?\n
output/x *(unsigned int *) 0x81000000
echo \n
watch *(unsigned int *) 0x81000000
reverse-continue
echo \n--- 2. This instruction did, and it is about to do it again:\n
x/i $pc
monitor when
echo \n--- 3. A mark here; ten instructions back, one by one, and forward again over the store.\n
monitor savevm before-the-store
delete
reverse-stepi 10
monitor when
stepi 10
monitor when
echo \n--- 4. To the first instruction after power-on, and back to the mark.\n
reverse-continue
x/i $pc
monitor loadvm before-the-store
x/i $pc
