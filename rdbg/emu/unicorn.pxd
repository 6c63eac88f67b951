# What is used of Unicorn's C API (unicorn/unicorn.h of the unicorn wheel).

from libc.stdint cimport uint32_t, uint64_t

cdef extern from "unicorn/unicorn.h" nogil:
    ctypedef struct uc_engine:
        pass
    ctypedef struct uc_context:
        pass
    ctypedef size_t uc_hook
    ctypedef int uc_err
    ctypedef int uc_mem_type
    ctypedef int uc_control_type

    ctypedef struct uc_tlb_entry:
        uint64_t paddr
        uint32_t perms

    int UC_ARCH_MIPS
    int UC_MODE_MIPS32
    int UC_MODE_BIG_ENDIAN
    int UC_MODE_LITTLE_ENDIAN
    int UC_ERR_OK
    int UC_PROT_READ
    int UC_PROT_WRITE
    int UC_PROT_EXEC
    int UC_PROT_ALL
    int UC_MEM_READ
    int UC_MEM_WRITE
    int UC_MEM_FETCH
    int UC_HOOK_BLOCK
    int UC_HOOK_INTR
    int UC_HOOK_CODE
    int UC_HOOK_TLB_FILL
    int UC_TLB_VIRTUAL
    int UC_CPU_MIPS32_24KF
    int UC_CTL_CONTEXT_CPU
    int UC_CTL_CONTEXT_MEMORY
    int UC_MIPS_REG_PC
    int UC_MIPS_REG_0
    int UC_MIPS_REG_HI
    int UC_MIPS_REG_LO
    int UC_MIPS_REG_F0
    int UC_MIPS_REG_FCSR "UC_MIPS_REG_FCSR"
    int UC_MIPS_REG_FIR "UC_MIPS_REG_FIR"
    int UC_MIPS_REG_CP0_CONFIG3
    int UC_MIPS_REG_CP0_STATUS

    unsigned int uc_version(unsigned int *major, unsigned int *minor)
    const char *uc_strerror(uc_err code)
    uc_err uc_open(int arch, int mode, uc_engine **uc)
    uc_err uc_close(uc_engine *uc)
    uc_err uc_reg_read(uc_engine *uc, int regid, void *value)
    uc_err uc_reg_write(uc_engine *uc, int regid, const void *value)
    uc_err uc_emu_start(uc_engine *uc, uint64_t begin, uint64_t until, uint64_t timeout, size_t count)
    uc_err uc_emu_stop(uc_engine *uc)
    uc_err uc_hook_add(uc_engine *uc, uc_hook *hh, int type, void *callback, void *user_data,
                       uint64_t begin, uint64_t end, ...)
    uc_err uc_mem_map_ptr(uc_engine *uc, uint64_t address, uint64_t size, uint32_t perms, void *ptr)
    uc_err uc_mmio_map(uc_engine *uc, uint64_t address, uint64_t size, void *read_cb, void *user_data_read,
                       void *write_cb, void *user_data_write)
    uc_err uc_context_alloc(uc_engine *uc, uc_context **context)
    uc_err uc_context_save(uc_engine *uc, uc_context *context)
    uc_err uc_context_restore(uc_engine *uc, uc_context *context)
    size_t uc_context_size(uc_engine *uc)
    uc_err uc_context_free(uc_context *context)

    # uc_ctl is variadic; these are its documented macro forms.
    uc_err uc_ctl_set_cpu_model(uc_engine *uc, int model)
    uc_err uc_ctl_exits_enable(uc_engine *uc)
    uc_err uc_ctl_set_exits(uc_engine *uc, uint64_t *exits, size_t count)
    uc_err uc_ctl_remove_cache(uc_engine *uc, uint64_t begin, uint64_t end)
    uc_err uc_ctl_flush_tb(uc_engine *uc)
    uc_err uc_ctl_flush_tlb(uc_engine *uc)
    uc_err uc_ctl_tlb_mode(uc_engine *uc, int mode)
    uc_err uc_ctl_context_mode(uc_engine *uc, int mode)
    uc_err uc_ctl_set_tcg_buffer_size(uc_engine *uc, uint32_t size)

cdef extern from "malloc.h" nogil:
    size_t malloc_usable_size(void *block)
