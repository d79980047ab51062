import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus, startCompletion } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching } from '@codemirror/language'
import { EditorState, Prec, StateEffect, StateField } from '@codemirror/state'
import { Decoration, type DecorationSet, EditorView, keymap, placeholder, WidgetType } from '@codemirror/view'
import type { Signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { completion, type Vocabulary } from './complete.ts'
import { language } from './language.ts'

interface Props {
  /** The text, both ways: a change of either side shows on the other at once. */
  readonly text: Signal<string>
  readonly vocabulary: Vocabulary
  /** Offset of what the server could not read, in the text. */
  readonly errorAt: number | undefined
  readonly onRun: (text: string) => void
  /** Called once with a function that puts the cursor into the box. */
  readonly onReady: (focus: () => void) => void
}

const setError = StateEffect.define<number | undefined>()

class EndMark extends WidgetType {
  override toDOM(): HTMLElement {
    const el = document.createElement('span')
    el.className = 'cm-error cm-error-end'
    el.textContent = '\u00a0'
    return el
  }
}

/** The error's mark: the word at the offset, or a mark after the end. It goes with the next change. */
const errorMark = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, tr) {
    let next = tr.docChanged ? Decoration.none : marks
    for (const e of tr.effects) if (e.is(setError)) next = e.value === undefined ? Decoration.none : markAt(tr.state, e.value)
    return next
  },
  provide: (f) => EditorView.decorations.from(f),
})

function markAt(state: EditorState, offset: number): DecorationSet {
  const rest = state.doc.sliceString(offset)
  if (rest.trim() === '') return Decoration.set(Decoration.widget({ widget: new EndMark(), side: 1 }).range(state.doc.length))
  const word = /^(\s*)([\w.:/-]+|"(?:[^"\\\n]|\\.)*"?|\S)/.exec(rest)
  const from = offset + (word?.[1]?.length ?? 0)
  const to = from + (word?.[2]?.length ?? 1)
  return Decoration.set(Decoration.mark({ class: 'cm-error' }).range(from, Math.min(to, state.doc.length)))
}

const look = EditorView.theme({
  '&': { fontSize: '13px', color: 'var(--text)', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '20px', maxHeight: '140px' },
  '.cm-content': { padding: '7px 0', caretColor: 'var(--accent)' },
  '.cm-line': { padding: '0 10px' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '2px' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground, .cm-content ::selection': { backgroundColor: 'var(--selection) !important' },
  '.cm-placeholder': { color: 'var(--muted)' },
  '.cm-matchingBracket': { backgroundColor: 'transparent' },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--hover)', outline: '1px solid var(--border-strong)' },
  '.cm-error': { textDecoration: 'underline wavy var(--level-error)', textUnderlineOffset: '4px', backgroundColor: 'var(--error-soft)' },
  '.cm-error-end': { display: 'inline-block', minWidth: '8px' },
  '.cm-tooltip': {
    border: '1px solid var(--border-strong)', borderRadius: '8px', backgroundColor: 'var(--raised)', boxShadow: 'var(--shadow)', overflow: 'hidden',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12px', maxHeight: '260px', minWidth: '200px' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '4px 12px', lineHeight: '18px', color: 'var(--text)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--accent-soft)', color: 'var(--text)' },
  '.cm-completionDetail': { fontFamily: 'var(--sans)', fontStyle: 'normal', color: 'var(--muted)', marginLeft: '12px' },
  '.cm-completionMatchedText': { textDecoration: 'none', color: 'var(--accent)', fontWeight: '600' },
})

export function Editor(props: Props) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | undefined>(undefined)
  const latest = useRef(props)
  latest.current = props

  useEffect(() => {
    if (!host.current) return
    // In a shadow root the editor's style sheets are objects, which a policy
    // without inline styles allows.
    const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: 'open' })
    const editor = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: latest.current.text.peek(),
        extensions: [
          Prec.highest(keymap.of([
            { key: 'Mod-Enter', run: (v) => { latest.current.onRun(v.state.doc.toString()); return true } },
            { key: 'Tab', run: acceptCompletion },
            { key: 'Enter', run: (v) => {
              if (completionStatus(v.state) === 'active') return false
              latest.current.onRun(v.state.doc.toString())
              return true
            } },
            { key: 'Escape', run: (v) => {
              if (completionStatus(v.state) !== null) return false
              v.contentDOM.blur()
              return true
            } },
          ])),
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
          history(), closeBrackets(), bracketMatching(), EditorView.lineWrapping,
          language, look, errorMark,
          autocompletion({ override: [completion(latest.current.vocabulary)], icons: false, maxRenderedOptions: 100 }),
          placeholder('LogQL, or words that the lines hold'),
          EditorView.contentAttributes.of({ 'aria-label': 'LogQL query', 'aria-multiline': 'true', spellcheck: 'false', autocapitalize: 'off' }),
          EditorView.updateListener.of((u) => {
            if (!u.docChanged) return
            latest.current.text.value = u.state.doc.toString()
            const typed = u.transactions.some((tr) => tr.isUserEvent('input.complete') || tr.isUserEvent('input.type'))
            const before = u.state.sliceDoc(Math.max(0, u.state.selection.main.head - 2), u.state.selection.main.head)
            if (typed && /[{"|[(,]\s?$/.test(before)) startCompletion(u.view)
          }),
        ],
      }),
    })
    view.current = editor
    latest.current.onReady(() => { editor.focus() })
    const unsubscribe = latest.current.text.subscribe((text) => {
      if (editor.state.doc.toString() === text) return
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text }, selection: { anchor: text.length } })
    })
    return () => {
      unsubscribe()
      editor.destroy()
    }
  }, [])

  useEffect(() => {
    view.current?.dispatch({ effects: setError.of(props.errorAt) })
  }, [props.errorAt])

  return <div class="editor" ref={host} />
}
