import { useSignal } from '@preact/signals'
import { Icon } from '../ui/Icon.tsx'
import { Popover } from '../ui/Popover.tsx'
import { tenant, theme, token, zone } from './settings.ts'

/** Loki's rules for a tenant's name; several are joined by `|`. */
const TENANT = /^[A-Za-z0-9!\-_.*'()|]{0,150}$/

export function Settings() {
  const open = useSignal(false)
  return (
    <Popover open={open} label="Settings" align="end" button={(
      <>
        {tenant.value && <span class="tenant" title="Tenant">{tenant.value}</span>}
        <Icon name="settings" />
      </>
    )}>
      <SettingsForm done={() => { open.value = false }} />
    </Popover>
  )
}

function SettingsForm({ done }: { done: () => void }) {
  const name = useSignal(tenant.value)
  const secret = useSignal(token.value)
  const valid = TENANT.test(name.value) && !/^\.\.?$/.test(name.value)
  const save = (e: Event): void => {
    e.preventDefault()
    if (!valid) return
    tenant.value = name.value
    token.value = secret.value
    done()
  }
  return (
    <form class="settings" onSubmit={save}>
      <label for="tenant">Tenant</label>
      <input id="tenant" value={name.value} placeholder="fake" spellcheck={false} autocomplete="off" aria-invalid={!valid}
        onInput={(e) => { name.value = e.currentTarget.value }} />
      <p class="hint">{valid ? 'Whose logs to read. Leave empty for the server’s own.' : 'Letters, digits and !-_.*\'() only, at most 150.'}</p>
      <label for="token">Token</label>
      <input id="token" type="password" value={secret.value} autocomplete="off"
        onInput={(e) => { secret.value = e.currentTarget.value }} />
      <p class="hint">Needed when the server asks for one. Forgotten when this tab closes.</p>
      <fieldset>
        <legend>Times in</legend>
        <Choice name="zone" value="local" current={zone.value} choose={() => { zone.value = 'local' }}>Local time</Choice>
        <Choice name="zone" value="utc" current={zone.value} choose={() => { zone.value = 'utc' }}>UTC</Choice>
      </fieldset>
      <fieldset>
        <legend>Colours</legend>
        <Choice name="theme" value="auto" current={theme.value} choose={() => { theme.value = 'auto' }}>As the system</Choice>
        <Choice name="theme" value="light" current={theme.value} choose={() => { theme.value = 'light' }}>Light</Choice>
        <Choice name="theme" value="dark" current={theme.value} choose={() => { theme.value = 'dark' }}>Dark</Choice>
      </fieldset>
      <div class="buttons">
        <button type="submit" class="primary" disabled={!valid}>Apply</button>
      </div>
    </form>
  )
}

function Choice(props: { name: string; value: string; current: string; choose: () => void; children: string }) {
  return (
    <label class="choice">
      <input type="radio" name={props.name} checked={props.value === props.current} onChange={props.choose} />
      {props.children}
    </label>
  )
}
