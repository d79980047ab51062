import type { Piece } from './text.ts'

/** Pieces of a line as text nodes; nothing in a line is ever read as markup. */
export function Text({ pieces }: { pieces: readonly Piece[] }) {
  return (
    <>
      {pieces.map((p, i) => (p.marked
        ? <mark key={i} class={p.style || undefined}>{p.text}</mark>
        : p.style ? <span key={i} class={p.style}>{p.text}</span> : p.text))}
    </>
  )
}
