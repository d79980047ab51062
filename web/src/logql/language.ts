// LogQL for the editor: how it is coloured. The grammar is Grafana's.

import { parser } from '@grafana/lezer-logql'
import { HighlightStyle, LanguageSupport, LRLanguage, syntaxHighlighting } from '@codemirror/language'
import { styleTags, tags } from '@lezer/highlight'

const logql = LRLanguage.define({
  name: 'logql',
  parser: parser.configure({
    props: [
      styleTags({
        'Identifier LabelName': tags.labelName,
        String: tags.string,
        'Number Duration Bytes Range/...': tags.number,
        'Sum Avg Count Max Min Stddev Stdvar Bottomk Topk Sort Sort_Desc LabelReplace Vector': tags.function(tags.name),
        'CountOverTime Rate RateCounter BytesOverTime BytesRate AvgOverTime SumOverTime MinOverTime MaxOverTime': tags.function(tags.name),
        'StddevOverTime StdvarOverTime QuantileOverTime FirstOverTime LastOverTime AbsentOverTime BytesConv DurationConv DurationSecondsConv Ip': tags.function(tags.name),
        'Json Logfmt Unpack Pattern Regexp Unwrap LabelFormat LineFormat Decolorize Drop Keep': tags.keyword,
        'Offset Bool On Ignoring GroupLeft GroupRight By Without And Or Unless': tags.keyword,
        'Eq Neq Re Nre Eql Gtr Gte Lss Lte PipeExact PipeMatch PipePattern Npa Pipe Add Sub Mul Div Mod Pow': tags.operator,
        'ParserFlag': tags.attributeName,
        LineComment: tags.lineComment,
      }),
    ],
  }),
  languageData: {
    closeBrackets: { brackets: ['(', '[', '{', '"', '`'] },
    commentTokens: { line: '#' },
  },
})

const colours = HighlightStyle.define([
  { tag: tags.labelName, color: 'var(--code-label)' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: tags.number, color: 'var(--code-number)' },
  { tag: tags.keyword, color: 'var(--code-keyword)' },
  { tag: tags.function(tags.name), color: 'var(--code-function)' },
  { tag: tags.operator, color: 'var(--code-operator)' },
  { tag: tags.attributeName, color: 'var(--code-keyword)' },
  { tag: tags.lineComment, color: 'var(--muted)', fontStyle: 'italic' },
])

export const language = [new LanguageSupport(logql), syntaxHighlighting(colours)]
