#include "net/api/site_cache.hpp"

#include <gtest/gtest.h>

namespace parley::net::api {
namespace {

using namespace std::chrono_literals;

SiteName key(const std::string& text) { return {SiteName::Kind::kKey, text}; }
SitePtr site(const std::string& name, TenantId tenant = TenantId{1}) {
  auto made = std::make_shared<Site>();
  made->channel.name = name;
  made->tenant.id = tenant;
  return made;
}
constexpr SiteCache::Time kNoon{100h};

TEST(SiteCache, RemembersASiteAndSaysToOneAtATimeThatItIsOld) {
  SiteCache cache;
  EXPECT_EQ(cache.find(key("a"), kNoon).site, nullptr);
  cache.keep(key("a"), site("Shop"), cache.begin(), kNoon);
  EXPECT_EQ(cache.find(key("a"), kNoon + 4999ms).site->channel.name, "Shop");
  EXPECT_FALSE(cache.find(key("a"), kNoon + 4999ms).due);
  EXPECT_TRUE(cache.find(key("a"), kNoon + 5s).due);
  EXPECT_FALSE(cache.find(key("a"), kNoon + 5s).due) << "somebody asks already";
  const SiteCache::Found later = cache.find(key("a"), kNoon + 1000h);
  EXPECT_TRUE(later.due) << "nobody got an answer";
  EXPECT_EQ(later.site->channel.name, "Shop") << "and it is there however old it is";
  EXPECT_TRUE(cache.find(key("a"), kNoon).due) << "the clock was set back";
}

TEST(SiteCache, TellsAKeyFromASlug) {
  SiteCache cache;
  cache.keep({SiteName::Kind::kSlug, "shop"}, site("Shop"), cache.begin(), kNoon);
  EXPECT_EQ(cache.find(key("shop"), kNoon).site, nullptr);
  EXPECT_NE(cache.find({SiteName::Kind::kSlug, "shop"}, kNoon).site, nullptr);
}

TEST(SiteCache, ForgetsWhatIsGone) {
  SiteCache cache;
  cache.keep(key("a"), site("Shop"), cache.begin(), kNoon);
  cache.keep(key("a"), nullptr, cache.begin(), kNoon);
  EXPECT_EQ(cache.find(key("a"), kNoon).site, nullptr);
  EXPECT_EQ(cache.size(), 0u) << "what is not there takes no place";
}

TEST(SiteCache, AChangeTakesWhatIsOfItsTenantAndSaysWhatThatWas) {
  SiteCache cache;
  cache.keep(key("a"), site("Shop"), cache.begin(), kNoon);
  cache.keep({SiteName::Kind::kSlug, "shop"}, site("Shop"), cache.begin(), kNoon);
  cache.keep(key("b"), site("Cafe", TenantId{2}), cache.begin(), kNoon);
  const std::vector<SiteName> gone = cache.forget(TenantId{1});
  EXPECT_EQ(gone, (std::vector<SiteName>{key("a"), {SiteName::Kind::kSlug, "shop"}}));
  EXPECT_EQ(cache.find(key("a"), kNoon).site, nullptr);
  EXPECT_NE(cache.find(key("b"), kNoon).site, nullptr);
}

TEST(SiteCache, AnAnswerThatMayBeOlderThanAChangeIsNotKept) {
  SiteCache cache;
  const SiteCache::Ticket before = cache.begin();
  cache.forget(TenantId{1});  // also when nothing of it was here
  cache.keep(key("a"), site("old"), before, kNoon);
  EXPECT_EQ(cache.find(key("a"), kNoon).site, nullptr);
  cache.keep(key("a"), site("new"), cache.begin(), kNoon);
  cache.keep(key("a"), nullptr, before, kNoon);
  EXPECT_EQ(cache.find(key("a"), kNoon).site->channel.name, "new") << "nor is its absence";
}

TEST(SiteCache, HoldsSoManySitesAndLetsTheLeastUsedOneGo) {
  SiteCache cache;
  for (std::size_t i = 0; i < SiteCache::kSitesMax; ++i)
    cache.keep(key(std::to_string(i)), site("x"), cache.begin(), kNoon);
  cache.find(key("0"), kNoon);
  cache.keep(key("one more"), site("x"), cache.begin(), kNoon);
  EXPECT_EQ(cache.size(), SiteCache::kSitesMax);
  EXPECT_NE(cache.find(key("0"), kNoon).site, nullptr);
  EXPECT_EQ(cache.find(key("1"), kNoon).site, nullptr);
  EXPECT_NE(cache.find(key("one more"), kNoon).site, nullptr);
}

}  // namespace
}  // namespace parley::net::api
