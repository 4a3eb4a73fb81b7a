import { defineTexts } from '../texts'
import en from './en'
import zhCN from './zh-CN'

/** Texts that every part of the console uses. */
export const t = defineTexts('app', en, zhCN)
