// Small drawings, 16 units wide, in the colour of the text around them.

const PATHS = {
  remora: 'M1.5 8.6c2.2-4 6-4.6 9.3-2l3.2-2v7l-3.2-2.2c-3 2.6-7.2 2.3-9.3-.8zM5.2 6.4v4M7.2 5.9v4.9M9.2 6.3v4.1',
  settings: 'M2 4.5h6M12 4.5h2M2 11.5h2M8 11.5h6M10 2.5v4M6 9.5v4',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1',
  moon: 'M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1z',
  clock: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 4.8V8l2.2 1.6',
  play: 'M4.5 3v10l8-5z',
  pause: 'M5 3.5v9M11 3.5v9',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  link: 'M6.5 9.5l3-3M7 4.5l1.6-1.6a3 3 0 0 1 4.3 4.3L11.3 8.8M9 11.5l-1.6 1.6a3 3 0 0 1-4.3-4.3L4.7 7.2',
  check: 'M3 8.5l3.2 3.2L13 4.8',
  plus: 'M8 3.5v9M3.5 8h9',
  minus: 'M3.5 8h9',
  close: 'M4 4l8 8M12 4l-8 8',
  right: 'M6 3.5L10.5 8 6 12.5',
  left: 'M10 3.5L5.5 8l4.5 4.5',
  down: 'M3.5 6L8 10.5 12.5 6',
  up: 'M3.5 10L8 5.5 12.5 10',
  wrap: 'M2 4h12M2 8h9.5a2.2 2.2 0 0 1 0 4.4H8.5M10 10.4l-2 2 2 2M2 12h3',
  order: 'M5 3v10M5 13l-2.5-2.5M5 13l2.5-2.5M9.5 4h4.5M9.5 8h3.5M9.5 12h2',
  out: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3L14 14M5 7h4',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3L14 14',
  panel: 'M2 3h12v10H2zM6.2 3v10',
  file: 'M4 2h5.5L12.5 5v9H4zM6 8h4.5M6 11h4.5',
  warn: 'M8 2.5L14.5 13.5h-13zM8 6.5v3.5M8 11.7v.3',
  help: 'M6 6a2 2 0 1 1 2.8 1.8c-.6.3-.8.7-.8 1.4M8 11.5v.3M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class={`icon icon-${name}`} width={size} height={size} viewBox="0 0 16 16" fill={name === 'play' ? 'currentColor' : 'none'}
      stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}
