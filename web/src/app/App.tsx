import { LogsPage } from '../pages/logs/LogsPage.tsx'
import { Icon } from '../ui/Icon.tsx'
import { Settings } from './Settings.tsx'
import { address, navigate, type Page, pageAt } from './router.ts'
import { dark, theme } from './settings.ts'

/** Every page of Remora. A new one is a folder in pages/ and a line here. */
const pages: readonly Page[] = [{ path: '/', name: 'Logs', View: LogsPage }]

export function App() {
  const page = pageAt(pages, address.value.pathname)
  return (
    <div class="app">
      <header class="topbar">
        <a class="brand" href="/" onClick={(e) => { e.preventDefault(); navigate('/') }}>
          <Icon name="remora" size={22} />
          <span>Remora</span>
        </a>
        <nav aria-label="Pages">
          {pages.map((p) => (
            <a key={p.path} href={p.path} aria-current={p === page ? 'page' : undefined}
              onClick={(e) => { e.preventDefault(); if (p !== page) navigate(p.path) }}>
              {p.name}
            </a>
          ))}
        </nav>
        <span class="grow" />
        <Settings />
        <button type="button" class="icon-button" title={dark.value ? 'Light colours' : 'Dark colours'}
          aria-label={dark.value ? 'Switch to light colours' : 'Switch to dark colours'}
          onClick={() => { theme.value = dark.value ? 'light' : 'dark' }}>
          <Icon name={dark.value ? 'sun' : 'moon'} />
        </button>
      </header>
      {page ? <page.View /> : <Lost />}
    </div>
  )
}

function Lost() {
  return (
    <main class="state">
      <h1>There is no such page</h1>
      <p><a href="/">Go to the logs</a></p>
    </main>
  )
}
