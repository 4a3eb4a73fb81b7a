#include "api_fixture.hpp"

namespace parley::net::test {
namespace {

class Moving : public store::Movable {
 public:
  asio::awaitable<Result<std::uint64_t>> freeze(std::uint64_t token, std::chrono::milliseconds time) override {
    asked = token;
    time_ = time;
    if (token != 0 && token != 77) co_return Error(Errc::kConflict, "that freeze has ended");
    co_return std::uint64_t{77};
  }
  asio::awaitable<Result<>> thaw(std::uint64_t token) override {
    thawed = token;
    co_return Result<>();
  }
  asio::awaitable<Result<>> retire(std::uint64_t token, std::string to) override {
    if (token != 77) co_return Error(Errc::kConflict, "that freeze has ended");
    place = std::move(to);
    co_return Result<>();
  }
  std::uint64_t asked = 1, thawed = 0;
  std::chrono::milliseconds time_{0};
  std::string place;
};

class ApiMove : public ApiTest {
 protected:
  ApiMove() {
    ApiDeps deps{store_->database(), store_->journal(), signer_, cpu_, setup_, settings_, metrics_, {}, {}, {}, {}};
    deps.movable = &moving_;
    deps.stop = [this] { ++stops_; };
    moving_api_ = std::make_unique<Api>(std::move(deps));
    moving_api_->register_admin_routes(routes_);
  }
  Answer post(const char* what, const json& body) {
    Req request = Req("POST", std::string("/admin/v1/store/") + what).body(body);
    request.http.admin_socket = true;
    return call_router(routes_, request);
  }
  Moving moving_;
  std::atomic<int> stops_{0};
  Router routes_;
  std::unique_ptr<Api> moving_api_;
};

TEST_F(ApiMove, FreezesProlongsThawsAndRetires) {
  const Answer frozen = post("freeze", {{"seconds", 7}});
  EXPECT_EQ(frozen.body["token"], "77");
  EXPECT_EQ(moving_.asked, 0u);
  EXPECT_EQ(moving_.time_, std::chrono::seconds(7));
  EXPECT_EQ(post("freeze", {{"token", "77"}}).status, 200);
  EXPECT_EQ(post("freeze", {{"token", "78"}}).status, 409);
  EXPECT_EQ(post("thaw", {{"token", "77"}}).status, 200);
  EXPECT_EQ(moving_.thawed, 77u);
  EXPECT_EQ(post("retire", {{"token", "78"}, {"moved_to", "there"}}).status, 409);
  EXPECT_EQ(stops_, 0);
  EXPECT_EQ(post("retire", {{"token", "77"}, {"moved_to", "there"}}).status, 200);
  EXPECT_EQ(moving_.place, "there");
  EXPECT_EQ(stops_, 1);
}

TEST_F(ApiMove, RefusesWhatIsNoToken) {
  for (const char* token : {"0", "-1", "x", "77x", ""})
    EXPECT_EQ(post("thaw", {{"token", token}}).status, 400) << token;
  EXPECT_EQ(post("freeze", {{"seconds", 61}}).status, 400);
  EXPECT_EQ(post("retire", {{"token", "77"}}).status, 400);
}

TEST_F(ApiMove, AStoreThatCannotBeMovedSaysSo) {
  EXPECT_EQ(admin(Req("POST", "/admin/v1/store/freeze").body(json::object())).status, 409);
}

}  // namespace
}  // namespace parley::net::test
