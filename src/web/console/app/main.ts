import { createPinia } from 'pinia'
import { createApp } from 'vue'
import '../styles/base.css'
import App from './App.vue'
import { applyPreferences } from './preferences'
import { router } from './router'
import { i18nPlugin } from './texts'

applyPreferences()
createApp(App).use(createPinia()).use(i18nPlugin).use(router).mount('#app')
