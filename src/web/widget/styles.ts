/** Constructed sheets need no unsafe-inline. Browsers without them get a style element with the nonce of the embedding script. */
export function adoptStyles(shadow: ShadowRoot, text: string): void {
  try {
    const sheet = new CSSStyleSheet()
    sheet.replaceSync(text)
    shadow.adoptedStyleSheets = [...shadow.adoptedStyleSheets, sheet]
  } catch {
    const style = document.createElement('style')
    const nonce = document.querySelector<HTMLScriptElement>('script[data-key][nonce]')?.nonce
    if (nonce) style.nonce = nonce
    style.textContent = text
    shadow.append(style)
  }
}
