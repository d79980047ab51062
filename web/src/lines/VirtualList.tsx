// Draws only the rows in sight of a long list whose rows differ in height.
//
// Rows stand in the normal flow inside a block that is moved to its place, so a
// wrong guess of a height never makes rows overlap; after each drawing they are
// measured. The first row in sight is the anchor: whatever is added, removed or
// measured elsewhere, it stays where the reader's eyes are.

import { Component, createRef, type ComponentChild } from 'preact'

export interface Item {
  readonly seq: number
}

interface Props<T extends Item> {
  readonly items: readonly T[]
  /** Changes whenever the items do. */
  readonly version: number
  readonly reversed: boolean
  readonly rowHeight: number
  /** Rows whose height is not the usual one; all of them when lines wrap. */
  readonly tall: ReadonlySet<number>
  readonly allTall: boolean
  /** Draws one row; its element must be the row's whole height. */
  readonly draw: (item: T, index: number) => ComponentChild
  /** Keep the newest rows in sight while they come, if they are. */
  readonly stick: boolean
  readonly target: { readonly seq: number | 'newest' | 'oldest' } | undefined
  readonly onNearTop: () => void
  readonly onNearBottom: () => void
  /** First and last row in sight, by place in `items`, lowest first. */
  readonly onVisible: (first: number, last: number, atNewest: boolean) => void
  readonly label: string
  readonly focus: number | undefined
  readonly onKey: (e: KeyboardEvent) => void
}

interface State {
  top: number
  height: number
}

const OVERSCAN = 12
/** Further rows are asked for when fewer than this many are left beyond sight. */
const NEAR = 400

export class VirtualList<T extends Item> extends Component<Props<T>, State> {
  override state: State = { top: 0, height: 600 }

  private readonly scroller = createRef<HTMLDivElement>()
  private readonly block = createRef<HTMLDivElement>()
  private resize: ResizeObserver | undefined
  /** Measured heights by row. */
  private readonly heights = new Map<number, number>()
  /** Where each drawn row starts; one more for the end. */
  private offsets = new Float64Array(1)
  private laidOut: readonly unknown[] = []
  private anchor: { seq: number; shift: number } | undefined
  private atNewest = false
  /** The last row was asked for: it stays in sight while rows above it are measured, until the reader scrolls. */
  private pinned = false
  private placed = 0
  private done: unknown
  private first = 0
  private last = 0

  override componentDidMount(): void {
    const el = this.scroller.current
    if (!el) return
    this.resize = new ResizeObserver(() => {
      if (this.props.allTall) this.heights.clear()
      this.laidOut = []
      this.setState({ height: el.clientHeight })
    })
    this.resize.observe(el)
    this.setState({ height: el.clientHeight })
    this.settle()
  }

  override componentWillUnmount(): void {
    this.resize?.disconnect()
  }

  override componentDidUpdate(before: Props<T>): void {
    if (before.allTall !== this.props.allTall) this.heights.clear()
    if (before.tall !== this.props.tall) this.pinned = false
    this.settle()
  }

  private itemAt(index: number): T | undefined {
    const { items, reversed } = this.props
    return items[reversed ? items.length - 1 - index : index]
  }

  private indexOf(seq: number): number {
    const { items, reversed } = this.props
    const i = items.findIndex((it) => it.seq === seq)
    return i < 0 ? -1 : reversed ? items.length - 1 - i : i
  }

  /** Computes where rows start, when anything they depend on has changed. */
  private layOut(): void {
    const { items, reversed, rowHeight, tall, allTall } = this.props
    const now = [items, reversed, rowHeight, tall, allTall, this.heights.size]
    if (now.every((v, i) => v === this.laidOut[i])) return
    this.laidOut = now
    const n = items.length
    const offsets = new Float64Array(n + 1)
    const irregular = allTall || tall.size > 0
    for (let i = 0; i < n; i++) {
      const seq = irregular ? (this.itemAt(i)?.seq ?? 0) : 0
      const h = irregular && (allTall || tall.has(seq)) ? (this.heights.get(seq) ?? rowHeight) : rowHeight
      offsets[i + 1] = (offsets[i] ?? 0) + h
    }
    this.offsets = offsets
  }

  private offset(i: number): number {
    return this.offsets[Math.max(0, Math.min(i, this.offsets.length - 1))] ?? 0
  }

  /** The row that covers a distance from the top. */
  private rowAt(y: number): number {
    let lo = 0
    let hi = this.props.items.length - 1
    while (lo < hi) {
      const mid = (lo + hi + 1) >> 1
      if (this.offset(mid) <= y) lo = mid
      else hi = mid - 1
    }
    return Math.max(0, lo)
  }

  private settle(): void {
    const el = this.scroller.current
    if (!el) return
    const measured = this.measure()
    this.layOut()
    this.follow(el)
    if (measured || Math.abs(el.scrollTop - this.state.top) > 0.5) this.setState({ top: el.scrollTop })
    this.tell(el)
  }

  /** Reads the heights of drawn rows that may differ; true when one did. */
  private measure(): boolean {
    const { tall, allTall } = this.props
    if (!allTall && tall.size === 0) return false
    let changed = false
    for (const child of this.block.current?.children ?? []) {
      const seq = Number((child as HTMLElement).dataset.seq)
      if (!allTall && !tall.has(seq)) continue
      const h = (child as HTMLElement).getBoundingClientRect().height
      if (Math.abs((this.heights.get(seq) ?? 0) - h) < 0.5) continue
      this.heights.set(seq, h)
      changed = true
    }
    if (changed) this.laidOut = []
    return changed
  }

  /** Moves the scroll position to the target, the end, or back to the anchor. */
  private follow(el: HTMLElement): void {
    const { target, items } = this.props
    if (target && target !== this.done && items.length > 0) {
      this.done = target
      this.moveTo(el, target.seq)
      return
    }
    if (this.pinned) {
      this.place(el, this.offset(items.length))
      return
    }
    if (this.props.stick && this.atNewest) {
      this.place(el, this.props.reversed ? 0 : this.offset(items.length))
      return
    }
    if (!this.anchor) return
    const i = this.indexOf(this.anchor.seq)
    if (i < 0) return
    const want = this.offset(i) + this.anchor.shift
    if (Math.abs(want - el.scrollTop) > 0.5) this.place(el, want)
  }

  private moveTo(el: HTMLElement, seq: number | 'newest' | 'oldest'): void {
    const n = this.props.items.length
    if (typeof seq === 'number') {
      const i = this.indexOf(seq)
      if (i < 0) return
      const [top, bottom] = [this.offset(i), this.offset(i + 1)]
      const above = top < el.scrollTop + this.props.rowHeight
      const below = bottom > el.scrollTop + el.clientHeight - this.props.rowHeight
      this.pinned = false
      if (above || below) this.place(el, top - el.clientHeight / 3)
    } else {
      const bottom = (seq === 'newest') !== this.props.reversed
      this.pinned = bottom
      this.place(el, bottom ? this.offset(n) : 0)
    }
    this.keepAnchor(el)
  }

  private place(el: HTMLElement, top: number): void {
    el.scrollTop = top
    this.placed = el.scrollTop
  }

  /** Brings a row just into sight: for moving by keyboard. */
  reveal(seq: number): void {
    const el = this.scroller.current
    const i = this.indexOf(seq)
    if (!el || i < 0) return
    if (this.offset(i) < el.scrollTop) el.scrollTop = this.offset(i)
    else if (this.offset(i + 1) > el.scrollTop + el.clientHeight) el.scrollTop = Math.min(this.offset(i), this.offset(i + 1) - el.clientHeight)
  }

  /** Rows that fit into sight: how far PageDown goes. */
  get pageRows(): number {
    return Math.max(1, Math.floor(this.state.height / this.props.rowHeight) - 1)
  }

  private keepAnchor(el: HTMLElement): void {
    this.layOut()
    const i = this.rowAt(el.scrollTop)
    const item = this.itemAt(i)
    this.anchor = item && { seq: item.seq, shift: el.scrollTop - this.offset(i) }
    this.atNewest = this.props.reversed ? el.scrollTop < 4 : el.scrollTop + el.clientHeight >= this.offset(this.props.items.length) - 4
  }

  private readonly scrolled = (): void => {
    const el = this.scroller.current
    if (!el) return
    if (Math.abs(el.scrollTop - this.placed) > 1) this.pinned = false
    this.keepAnchor(el)
    this.setState({ top: el.scrollTop })
  }

  private tell(el: HTMLElement): void {
    const n = this.props.items.length
    if (n === 0) return
    const first = this.rowAt(el.scrollTop)
    const last = this.rowAt(el.scrollTop + el.clientHeight - 1)
    const [a, b] = this.props.reversed ? [n - 1 - last, n - 1 - first] : [first, last]
    this.props.onVisible(a, b, this.atNewest)
    if (first < NEAR) this.props.onNearTop()
    if (n - last < NEAR) this.props.onNearBottom()
  }

  render(props: Props<T>, state: State) {
    this.layOut()
    const n = props.items.length
    this.first = Math.max(0, this.rowAt(state.top) - OVERSCAN)
    this.last = Math.min(n, this.rowAt(state.top + state.height) + 1 + OVERSCAN)
    const rows: ComponentChild[] = []
    for (let i = this.first; i < this.last; i++) {
      const item = this.itemAt(i)
      if (item) rows.push(props.draw(item, i))
    }
    return (
      <div class="list" ref={this.scroller} onScroll={this.scrolled} tabIndex={0} role="treegrid" aria-label={props.label}
        aria-rowcount={n} aria-activedescendant={props.focus === undefined ? undefined : `row-${props.focus}`} onKeyDown={props.onKey}>
        <div class="list-space" role="presentation" style={{ height: `${this.offset(n)}px` }}>
          <div class="list-block" role="presentation" ref={this.block} style={{ transform: `translateY(${this.offset(this.first)}px)` }}>
            {rows}
          </div>
        </div>
      </div>
    )
  }
}
