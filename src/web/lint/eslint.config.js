import { fileURLToPath } from 'node:url'
import vue from 'eslint-plugin-vue'
import tseslint from 'typescript-eslint'
import vueParser from 'vue-eslint-parser'

const root = fileURLToPath(new URL('..', import.meta.url))
const typed = (project) => ({ project: `${root}${project}`, tsconfigRootDir: root, extraFileExtensions: ['.vue'] })

/** Run from the folder above (see the script), because ESLint only looks at what lies below the folder it runs in. */
export default [
  { ignores: ['**/node_modules/**', '**/dist/**'] },
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.{ts,tsx}'] })),
  {
    files: ['**/{shared,widget,tokens}/**/*.{ts,tsx}'],
    languageOptions: { parserOptions: typed('tsconfig.json') },
  },
  {
    files: ['**/console/**/*.ts'],
    languageOptions: { parserOptions: typed('tsconfig.console.json') },
  },
  ...vue.configs['flat/recommended'].map((config) => ({ ...config, files: ['**/*.vue'] })),
  {
    files: ['**/*.vue'],
    languageOptions: { parser: vueParser, parserOptions: { parser: tseslint.parser } },
    rules: {
      // How the code is laid out is not a question of right and wrong.
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/html-self-closing': 'off',
      'vue/html-indent': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/attributes-order': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      // The kit's own parts are named as the design names them, and always written in PascalCase.
      'vue/multi-word-component-names': 'off',
      // Optional properties are typed as such.
      'vue/require-default-prop': 'off',
      'vue/no-v-html': 'error',
    },
  },
  {
    files: ['**/*.{ts,tsx}'],
    rules: {
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowNullish: true }],
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // A string is spread on purpose: that is how one gets its code points.
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Message text is drawn as nodes, never as markup.
      'no-restricted-properties': ['error', { property: 'innerHTML' }, { property: 'outerHTML' }, { property: 'insertAdjacentHTML' }],
    },
  },
  {
    // They import .vue files, whose types only vue-tsc knows (`npm run typecheck`).
    files: ['**/console/app/{main,router}.ts'],
    rules: { '@typescript-eslint/no-unsafe-assignment': 'off', '@typescript-eslint/no-unsafe-argument': 'off' },
  },
]
