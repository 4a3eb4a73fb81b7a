import { createElement, type FunctionComponent, type VNode } from 'preact'
import { useRef } from 'preact/hooks'

/** Draws again only when `same` says that something changed. The core of preact has no memo, and its compat package is too heavy here. */
export function memo<Props extends object>(component: FunctionComponent<Props>, same: (a: Props, b: Props) => boolean): FunctionComponent<Props> {
  return function Memo(props: Props) {
    const kept = useRef<{ props: Props; node: VNode<Props> }>(null)
    const usable = kept.current && same(kept.current.props, props)
    const node = usable && kept.current ? kept.current.node : createElement(component, props)
    kept.current = { props: usable && kept.current ? kept.current.props : props, node }
    return node as unknown as VNode
  }
}
