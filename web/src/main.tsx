import { render } from 'preact'
import 'uplot/dist/uPlot.min.css'
import './app/tokens.css'
import './app/app.css'
import './pages/logs/logs.css'
import './pages/logs/lines.css'
import { App } from './app/App.tsx'

const root = document.getElementById('app')
if (root) render(<App />, root)
