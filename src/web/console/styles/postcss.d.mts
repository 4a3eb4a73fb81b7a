import type { CSSOptions } from 'vite'

export declare const consoleCss: CSSOptions
