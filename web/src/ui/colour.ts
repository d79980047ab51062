// Colours of the style sheet for what is drawn on a canvas.

let probe: HTMLElement | undefined

/** The colour a custom property has now, as the canvas reads it. */
export function colourOf(property: string): string {
  if (!probe) {
    probe = document.createElement('span')
    probe.className = 'offscreen'
    probe.setAttribute('aria-hidden', 'true')
    document.body.append(probe)
  }
  probe.style.color = `var(${property})`
  return getComputedStyle(probe).color
}
