/** The pages of the console. Everything behind the sign-in is loaded when it is first needed. */
import { createRouter, createWebHistory, type RouteLocationNormalized } from 'vue-router'
import { useSession } from './session'
import LoadFailedView from './shell/LoadFailedView.vue'

export const router = createRouter({
  history: createWebHistory('/console/'),
  routes: [
    { path: '/sign-in', name: 'sign-in', component: () => import('../features/session/views/SignInView.vue'), meta: { open: true } },
    { path: '/setup', name: 'setup', component: () => import('../features/session/views/SetupView.vue'), meta: { open: true } },
    { path: '/load-failed', name: 'load-failed', component: LoadFailedView, meta: { open: true } },
    {
      path: '/',
      component: () => import('./shell/ShellView.vue'),
      children: [
        { path: '', redirect: { name: 'inbox', params: { view: 'waiting' } } },
        {
          path: 'inbox/:view(waiting|mine|open|closed)/:conv(\\d+)?', name: 'inbox',
          component: () => import('../features/inbox/views/InboxView.vue'),
        },
        { path: 'inbox', redirect: { name: 'inbox', params: { view: 'waiting' } } },
        { path: 'welcome', name: 'welcome', component: () => import('../features/sites/views/WelcomeView.vue') },
        {
          path: 'settings', name: 'settings', component: () => import('./shell/SettingsView.vue'),
          children: [
            { path: 'account', name: 'settings-account', component: () => import('../features/account/views/AccountView.vue') },
            { path: 'people', name: 'settings-people', component: () => import('../features/people/views/PeopleView.vue') },
            { path: 'sites', name: 'settings-sites', component: () => import('../features/sites/views/SitesView.vue') },
            { path: 'words', name: 'settings-words', component: () => import('../features/words/views/WordsView.vue') },
          ],
        },
        { path: ':rest(.*)*', name: 'not-found', component: () => import('./shell/NotFoundView.vue') },
      ],
    },
  ],
})

router.beforeEach(async (to) => {
  const session = useSession()
  if (to.name === 'load-failed') return true
  try {
    if (await session.load()) return to.meta.open ? { path: '/' } : true
    const setup = await session.setupNeeded()
    if (setup) return to.name === 'setup' ? true : { name: 'setup' }
  } catch {
    return { name: 'load-failed', query: { to: to.fullPath } }
  }
  return to.name === 'sign-in' ? true : { name: 'sign-in', query: returnTo(to) }
})

/** After signing in the person lands where he wanted to go. */
function returnTo(to: RouteLocationNormalized): Record<string, string> {
  return to.fullPath === '/' || to.name === 'setup' ? {} : { to: to.fullPath }
}

// A new version was installed while this page was open: its old files are gone, so the next page is fetched whole.
router.onError((_error, to) => {
  const once = 'parley.reloaded-for'
  if (sessionStorage.getItem(once) === to.fullPath) return
  sessionStorage.setItem(once, to.fullPath)
  window.location.assign(router.resolve(to.fullPath).href)
})
