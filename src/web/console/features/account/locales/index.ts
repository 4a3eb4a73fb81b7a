import { defineTexts } from '../../../app/texts'
import en from './en'
import zhCN from './zh-CN'

export const t = defineTexts('account', en, zhCN)
