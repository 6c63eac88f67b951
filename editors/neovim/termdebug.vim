" Neovim's own window of a debugger (:Termdebug), for rdbg:  :source .../editors/neovim/termdebug.vim
" GDB writes a record of its machine interface in pieces, and the plugin of Neovim 0.7 takes each piece that it reads for
" a whole record: now and then it misses a stop, and the sign stays where it was. Here it is given whole lines.
let g:termdebugger = get(g:, 'termdebugger', 'gdb-multiarch')
packadd termdebug

let s:heard = '<SNR>' .. matchstr(execute('scriptnames'), '\d\+\ze: \S*/termdebug/plugin/termdebug\.vim') .. '_CommOutput'
let s:Obey = funcref(s:heard)
let s:begun = ''

function! RdbgWholeRecords(job, pieces, event)
  let lines = copy(a:pieces)
  let lines[0] = s:begun .. lines[0]
  let s:begun = remove(lines, -1)
  if !empty(lines)
    call s:Obey(a:job, lines + [''], a:event)
  endif
endfunction

execute 'function! ' .. s:heard .. "(job, pieces, event)\n  call RdbgWholeRecords(a:job, a:pieces, a:event)\nendfunction"
