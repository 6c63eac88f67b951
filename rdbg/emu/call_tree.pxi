# The calls that led to what is counted, in a tree.
#
# The call stack is followed as far as a stretch knows it. What leads out of that (a return to a frame from before, another
# stack) ends the stretch: its open frames and what ended it are events, another stretch begins with nothing, and
# `rdbg.analysis.call_stacks` puts all of them together. So it makes no difference where pieces of a run begin.

cdef void add_event(Cpu *c, uint64_t icount, uint32_t kind, uint32_t address, uint32_t stack, uint32_t space,
                    uint32_t node, uint32_t pc) noexcept nogil:
    cdef StackEvent *wider
    cdef StackEvent *event
    if c.counts.event_count == c.counts.event_room:
        wider = <StackEvent*>realloc(c.counts.events, 2 * c.counts.event_room * sizeof(StackEvent))
        if wider == NULL:
            fail_counts(c)
            return
        c.counts.events = wider
        c.counts.event_room *= 2
        if c.counts.event_count >= COUNTS_ENOUGH:
            pause_soon(c)
    event = &c.counts.events[c.counts.event_count]
    event.icount = icount
    event.kind = kind
    event.address = address
    event.stack = stack
    event.space = space
    event.node = node
    event.pc = pc
    c.counts.event_count += 1


cdef uint32_t new_node(Cpu *c, uint32_t parent, uint32_t site, uint32_t target, uint32_t kind) noexcept nogil:
    cdef size_t count = c.counts.node_next - c.counts.node_first
    cdef CallNode *wider
    if count == c.counts.node_room:
        wider = <CallNode*>realloc(c.counts.nodes, 2 * c.counts.node_room * sizeof(CallNode))
        if wider == NULL:
            fail_counts(c)
            return parent
        c.counts.nodes = wider
        c.counts.node_room *= 2
        if count >= COUNTS_ENOUGH:
            pause_soon(c)
    c.counts.nodes[count] = CallNode(parent, site, target, kind)
    c.counts.node_next += 1
    return c.counts.node_next - 1


cdef size_t child_slot(const Cpu *c, uint32_t parent, uint32_t site, uint32_t target, uint32_t kind) noexcept nogil:
    cdef size_t at = ((site >> 2) * 0x9E3779B1U + target ^ parent * 0x85EBCA6BU ^ kind) & (c.counts.child_room - 1)
    cdef CallNode *key
    while c.counts.children[at]:
        key = &c.counts.child_keys[at]
        if key.parent == parent and key.site == site and key.target == target and key.kind == kind:
            break
        at = (at + 1) & (c.counts.child_room - 1)
    return at


cdef bint make_children(Cpu *c, size_t room) noexcept nogil:
    """Room for children. Those of stretches that have ended get no more."""
    cdef uint32_t *old = c.counts.children
    cdef CallNode *old_keys = c.counts.child_keys
    cdef size_t old_room = c.counts.child_room
    cdef size_t i, at
    c.counts.children = <uint32_t*>calloc(room, 4)
    c.counts.child_keys = <CallNode*>malloc(room * sizeof(CallNode))
    if c.counts.children == NULL or c.counts.child_keys == NULL:
        free(c.counts.children)
        free(c.counts.child_keys)
        c.counts.children = old
        c.counts.child_keys = old_keys
        return False
    c.counts.child_room = room
    c.counts.child_count = 0
    for i in range(old_room):
        if old[i] and old_keys[i].parent >= c.counts.root:
            at = child_slot(c, old_keys[i].parent, old_keys[i].site, old_keys[i].target, old_keys[i].kind)
            c.counts.children[at] = old[i]
            c.counts.child_keys[at] = old_keys[i]
            c.counts.child_count += 1
    free(old)
    free(old_keys)
    return True


cdef uint32_t child_node(Cpu *c, uint32_t site, uint32_t target, uint32_t kind) noexcept nogil:
    """The node below that where the CPU is."""
    cdef size_t at = child_slot(c, c.counts.node, site, target, kind)
    if c.counts.children[at] == 0:
        if 2 * c.counts.child_count > c.counts.child_room:
            if not make_children(c, c.counts.child_room) or (
                    4 * c.counts.child_count > c.counts.child_room and not make_children(c, 2 * c.counts.child_room)):
                fail_counts(c)
                return c.counts.node
            at = child_slot(c, c.counts.node, site, target, kind)
        c.counts.children[at] = new_node(c, c.counts.node, site, target, kind) + 1
        c.counts.child_keys[at] = CallNode(c.counts.node, site, target, kind)
        c.counts.child_count += 1
    return c.counts.children[at] - 1


cdef void push_frame(Cpu *c, const CountRow *row, uint32_t site, uint32_t target, uint32_t kind) noexcept nogil:
    cdef CallFrame *wider
    cdef CallFrame *frame
    if c.counts.depth == c.counts.frame_room:
        wider = <CallFrame*>realloc(c.counts.frames, 2 * c.counts.frame_room * sizeof(CallFrame))
        if wider == NULL:
            fail_counts(c)
            return
        c.counts.frames = wider
        c.counts.frame_room *= 2
    c.counts.node = child_node(c, site, target, kind)
    add_block(c, row.pc, 1, COUNTED_CALL)
    frame = &c.counts.frames[c.counts.depth]
    frame.kind = row.how
    frame.link = site
    frame.stack = row.stack
    frame.space = row.space
    frame.node = c.counts.node
    c.counts.depth += 1


cdef void cut_frames(Cpu *c, size_t depth) noexcept nogil:
    c.counts.depth = depth
    c.counts.node = c.counts.frames[depth - 1].node if depth else c.counts.root


cdef void end_stretch(Cpu *c, const CountRow *row) noexcept nogil:
    """What a row does to the call stack depends on what was before the stretch."""
    cdef size_t i
    cdef CallFrame *frame
    for i in range(c.counts.depth):
        frame = &c.counts.frames[i]
        add_event(c, row.icount, frame.kind, frame.link, frame.stack, frame.space, frame.node, 0)
    c.counts.depth = 0
    c.counts.root = new_node(c, 0, 0, 0, NODE_ROOT)
    c.counts.node = c.counts.root
    add_event(c, row.icount, row.how, row.pc, row.stack, row.space, c.counts.root, row.pc)


cdef uint32_t code_of(const Cpu *c, uint32_t pc) noexcept nogil:
    """Where the function begins that ``pc`` is in, or its page: exceptions in it are told apart no further."""
    cdef size_t low = 0
    cdef size_t high = c.counts.border_count
    cdef size_t middle
    while low < high:
        middle = (low + high) // 2
        if c.counts.borders[middle] <= pc:
            low = middle + 1
        else:
            high = middle
    return max(c.counts.borders[low - 1] if low else 0, pc & ~<uint32_t>(PAGE_BYTES - 1))


cdef void change_stack(Cpu *c, const CountRow *row) noexcept nogil:
    """Calls are returned from by a jump to the return address with the stack pointer of the call; what has called since is
    left. The rules are those of `rdbg.analysis.call_stacks`, where a stretch can tell what they come to."""
    cdef size_t i = c.counts.depth
    cdef CallFrame *frame
    if c.counts.all_events:
        add_event(c, row.icount, row.how, row.link if row.how == CAME_CALL else row.pc, row.stack, row.space,
                  row.link if row.how == CAME_EXCEPTION else 0, row.pc)
        return
    if row.how == CAME_CALL:
        push_frame(c, row, row.link, row.pc, NODE_CALL)
        return
    if row.how == CAME_EXCEPTION:
        push_frame(c, row, code_of(c, row.pc), 0, row.link)
        return
    if row.how == CAME_RETURN:
        while i:
            frame = &c.counts.frames[i - 1]
            if frame.kind != CAME_CALL or frame.stack > row.stack:
                break
            if frame.link == row.pc and frame.stack == row.stack:
                cut_frames(c, i - 1)
                return
            i -= 1
        if i and i == c.counts.depth and c.counts.frames[i - 1].stack - row.stack <= FAR_STACK:
            return                               # a jump within a function
    elif row.how == CAME_BACK:
        while i and c.counts.frames[i - 1].kind != CAME_EXCEPTION:
            i -= 1
        if i and c.counts.frames[i - 1].stack == row.stack:
            cut_frames(c, i - 1)
            return
    end_stretch(c, row)
