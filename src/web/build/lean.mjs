// Two plugins that make the widget lighter than a minifier can. Both know something that a minifier cannot know.
import { readFileSync } from 'node:fs'

/**
 * Members that TypeScript calls private are reached only as `this.name`, inside their own file; protected ones too, as long as the
 * widget has no derived classes. So they may have short names. What would break that fails the build.
 */
export function shortPrivateNames() {
  return {
    name: 'parley-short-private-names',
    enforce: 'post',
    transform(code, id) {
      if (!/\/(shared|widget)\/.*\.tsx?$/.test(id)) return null
      const source = readFileSync(id, 'utf8')
      const names = new Set([...source.matchAll(/\b(?:private|protected) (?:readonly |async |get )*(\w+)/g)].map((match) => match[1]))
      if (!names.size) return null
      if (/\} = this\s*(?:;|$)/m.test(source)) this.error(`${id}: private members must not be destructured from this`)
      if (/\bextends (?!Error\b|object\b|keyof\b)\w+ (?:implements [^{]*)?\{/.test(source)) this.error(`${id}: derived classes cannot have short member names`)
      const short = new Map([...names].map((name, index) => [name, `$${index.toString(36)}`]))
      const any = [...names].join('|')
      const renamed = code
        .replace(new RegExp(`\\bthis\\.(${any})\\b`, 'g'), (_, name) => `this.${short.get(name)}`)
        .replace(new RegExp(`^(  (?:async |get )?)(${any})(?=\\()`, 'gm'), (_, before, name) => before + short.get(name))
      return { code: renamed, map: null }
    },
  }
}

/** Of the palette only what the widget's own style sheet uses. */
export function usedTokensOnly(stylesheets) {
  return {
    name: 'parley-used-tokens-only',
    enforce: 'pre',
    transform(code, id) {
      if (!/\/tokens\.css\b/.test(id)) return null
      const used = new Set(['shadow-color'])
      for (const text of [...stylesheets.map((path) => readFileSync(path, 'utf8'))]) {
        for (const [, name] of text.matchAll(/var\(--([\w-]+)/g)) used.add(name)
      }
      return { code: code.replace(/^\s*--([\w-]+):.*;\n/gm, (line, name) => (used.has(name) ? line : '')), map: null }
    },
  }
}
