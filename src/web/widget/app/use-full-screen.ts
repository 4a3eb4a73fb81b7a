import type { RefObject } from 'preact'
import { useEffect, useState } from 'preact/hooks'

const narrow = '(max-width: 639.98px)'

/**
 * On a narrow window the panel covers everything. It follows the visual viewport, so that an on-screen keyboard never hides the
 * composer, and keeps the page behind from scrolling.
 */
export function useFullScreen(panel: RefObject<HTMLElement | null>, active: boolean): boolean {
  const [isNarrow, setNarrow] = useState(() => matchMedia(narrow).matches)

  useEffect(() => {
    const query = matchMedia(narrow)
    const tell = () => setNarrow(query.matches)
    query.addEventListener('change', tell)
    return () => query.removeEventListener('change', tell)
  }, [])

  useEffect(() => {
    const viewport = window.visualViewport
    const element = panel.current
    if (!active || !isNarrow || !element) return
    const fit = () => {
      element.style.setProperty('--pw-height', `${viewport?.height ?? window.innerHeight}px`)
      element.style.setProperty('--pw-top', `${viewport?.offsetTop ?? 0}px`)
    }
    fit()
    viewport?.addEventListener('resize', fit)
    viewport?.addEventListener('scroll', fit)
    const page = document.documentElement
    const overflow = page.style.overflow
    page.style.overflow = 'hidden'
    return () => {
      viewport?.removeEventListener('resize', fit)
      viewport?.removeEventListener('scroll', fit)
      page.style.overflow = overflow
      if (page.getAttribute('style') === '') page.removeAttribute('style')
    }
  }, [active, isNarrow])

  return isNarrow
}
