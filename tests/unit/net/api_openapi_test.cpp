#include <algorithm>
#include <fstream>

#include "api_fixture.hpp"

namespace parley::net::test {
namespace {

/// "GET /api/v1/agents" … of docs/openapi.yaml, read by its indentation: paths at two spaces, methods at four.
std::vector<std::string> documented() {
  std::ifstream file(std::string(PARLEY_SOURCE_DIR) + "/docs/openapi.yaml");
  std::vector<std::string> routes;
  std::string line, path;
  bool in_paths = false;
  while (std::getline(file, line)) {
    if (!line.empty() && line[0] != ' ' && line[0] != '#') in_paths = line == "paths:";
    if (!in_paths) continue;
    if (line.starts_with("  /")) path = line.substr(2, line.rfind(':') - 2);
    for (const std::string method : {"get", "post", "put", "patch", "delete", "options"}) {
      if (line != "    " + method + ":") continue;
      std::string upper = method;
      std::ranges::transform(upper, upper.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      routes.push_back(upper + " /api/v1" + path);
    }
  }
  std::ranges::sort(routes);
  return routes;
}

TEST_F(ApiTest, OpenapiDescribesExactlyTheRoutesThereAre) {
  const std::vector<std::string> described = documented();
  ASSERT_FALSE(described.empty()) << "docs/openapi.yaml was not read";
  EXPECT_EQ(described, api_.routes());
}

}  // namespace
}  // namespace parley::net::test
