import { render } from 'preact'
import 'uplot/dist/uPlot.min.css'
import './app/tokens.css'
import './app/app.css'
import { App } from './app/App.tsx'

const root = document.getElementById('app')
if (root) render(<App />, root)
