import { brandColors } from '@shared/color/contrast'
import type { SiteConfig } from '../contract'
import { adoptStyles } from '../styles'
import css from './launcher.css?inline'
import type { Words } from './words'

const svgNamespace = 'http://www.w3.org/2000/svg'
const icons = {
  chat: ['M21 12a9 9 0 0 1-13 8l-5 1 1.5-4.5A9 9 0 1 1 21 12Z', 'M8 12h.01M12 12h.01M16 12h.01'],
  down: ['m6 9.5 6 6 6-6'],
  close: ['M6 6l12 12M18 6 6 18'],
}

function icon(name: keyof typeof icons): SVGSVGElement {
  const svg = document.createElementNS(svgNamespace, 'svg')
  const attributes = { viewBox: '0 0 24 24', fill: 'none', stroke: 'currentColor', 'stroke-width': '1.75', 'stroke-linecap': 'round', 'stroke-linejoin': 'round', 'aria-hidden': 'true' }
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value)
  for (const d of icons[name]) {
    const path = document.createElementNS(svgNamespace, 'path')
    path.setAttribute('d', d)
    svg.append(path)
  }
  return svg
}

function element<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  made.className = className
  made.append(...children)
  return made
}

/** The round button at the edge of the page, with its badge and the bubble beside it. */
export class Launcher {
  readonly host = document.createElement('parley-widget')
  readonly shadow = this.host.attachShadow({ mode: 'open' })
  readonly wrapper = element('div', 'pw')
  readonly button = element('button', 'pw-launcher')

  private readonly badge = element('span', 'pw-badge')
  private readonly teaser = element('div', 'pw-teaser')
  private readonly teaserText = element('button', 'pw-teaser-text')
  private readonly teaserClose = element('button', 'pw-teaser-close', icon('close'))
  private open = false
  private unread = 0
  private teaserDismissed = ''

  constructor(private readonly config: SiteConfig, private words: Words, onToggle: () => void, onOpen: () => void, onIntent: () => void) {
    adoptStyles(this.shadow, css)
    for (const button of [this.button, this.teaserText, this.teaserClose]) button.type = 'button'
    this.badge.setAttribute('aria-hidden', 'true')
    this.button.setAttribute('aria-haspopup', 'dialog')
    this.button.addEventListener('click', onToggle)
    for (const hint of ['pointerenter', 'focus'] as const) this.button.addEventListener(hint, onIntent, { once: true })
    this.teaserText.addEventListener('click', onOpen)
    this.teaserClose.addEventListener('click', () => {
      this.teaserDismissed = this.teaserText.textContent
      this.teaser.hidden = true
      this.button.focus()
    })
    this.teaser.hidden = true
    this.teaser.append(this.teaserText, this.teaserClose)
    const dock = element('div', 'pw-dock', this.teaser, this.button)
    this.wrapper.append(dock)
    this.wrapper.dataset['position'] = config.position
    this.shadow.append(this.wrapper)
    this.draw()
  }

  speak(words: Words): void {
    this.words = words
    this.draw()
  }

  setTheme(theme: 'light' | 'dark'): void {
    this.wrapper.dataset['theme'] = theme
    const brand = brandColors(this.config.color, theme === 'dark')
    if (!brand) return
    // Through the CSSOM: a style attribute in markup would need unsafe-inline.
    const style = this.wrapper.style
    style.setProperty('--pw-brand', brand.fill)
    style.setProperty('--pw-brand-hover', brand.hover)
    style.setProperty('--pw-on-brand', brand.onFill)
    style.setProperty('--pw-brand-text', brand.text)
    style.setProperty('--pw-brand-soft', brand.soft)
    style.setProperty('--pw-ring', brand.text)
  }

  setOpen(open: boolean): void {
    this.open = open
    this.wrapper.dataset['open'] = String(open)
    if (open) this.teaser.hidden = true
    this.draw()
  }

  setUnread(count: number, newest?: { from: string; text: string }): void {
    this.unread = count
    if (newest && count > 0 && !this.open) {
      this.teaserText.replaceChildren(element('b', '', newest.from), element('span', '', newest.text))
      this.teaser.hidden = this.teaserText.textContent === this.teaserDismissed
    } else if (count === 0) {
      this.teaser.hidden = true
    }
    this.draw()
  }

  setBusy(busy: boolean): void {
    this.button.setAttribute('aria-busy', String(busy))
  }

  /** The app could not be fetched: say so where the person looks, and keep the place. */
  showFailure(): void {
    this.teaserText.replaceChildren(element('span', '', this.words.failed))
    this.teaser.hidden = false
  }

  private draw(): void {
    const words = this.words
    const open = this.open
    const unread = this.unread
    const text = open ? undefined : this.config.launcher_text
    this.button.replaceChildren(icon(open ? 'down' : 'chat'))
    this.button.classList.toggle('pill', Boolean(text))
    if (text) this.button.append(element('span', '', text))
    if (unread > 0 && !open) {
      this.badge.textContent = unread > 99 ? '99+' : String(unread)
      this.button.append(this.badge)
    }
    // The visible text has to be part of the name, so that people can say it to a voice control.
    const name = unread > 0 ? words.openUnread(unread) : words.open
    this.button.setAttribute('aria-label', open ? words.close : text ? `${text}. ${name}` : name)
    this.button.setAttribute('aria-expanded', String(open))
    this.teaserClose.setAttribute('aria-label', words.dismiss)
  }
}
