// SPDX-License-Identifier: Apache-2.0
#include "meta/template/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace imgmount {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

const Json& Data() {
  static const Json kData = Json::parse(R"({
    "Id":"sha256:abcdef","RepoTags":["x:latest","y:1"],"RepoDigests":[],
    "Config":{"ExposedPorts":{"443/tcp":{},"80/tcp":{}},
      "Env":["A=b","C=d&e<f>"],"Cmd":["nginx","-g","daemon off;"],
      "Labels":{"a.b":"c","k":"\u00e9\u65e5"}},
    "Health":{"Test":["CMD","x"],"Interval":30000000000,"Retries":3},
    "Architecture":"amd64","Os":"linux","Size":123456,
    "GraphDriver":{"Data":null,"Name":"imgmount"},
    "RootFS":{"Type":"layers","Layers":["sha256:1","sha256:2"]}})");
  return kData;
}

using Kind = GoType::Kind;

constexpr GoField kHealthFields[] = {{"Test", &kGoStrings},
                                     {"Interval", &kGoDuration},
                                     {"Timeout", &kGoDuration},
                                     {"Retries", &kGoInt}};
constexpr GoType kHealth{Kind::kStruct, "x.Health", nullptr, kHealthFields};
constexpr GoType kHealthPointer{Kind::kPointer, "*x.Health", &kHealth};
constexpr GoField kConfigFields[] = {
    {"User", &kGoString},      {"ExposedPorts", &kGoStringSet},
    {"Env", &kGoStrings},      {"Entrypoint", &kGoStrings},
    {"Cmd", &kGoStrings},      {"Volumes", &kGoStringSet},
    {"Labels", &kGoStringMap}, {"Healthcheck", &kHealthPointer}};
constexpr GoType kConfig{Kind::kStruct, "x.Config", nullptr, kConfigFields};
constexpr GoField kDriverFields[] = {{"Data", &kGoStringMap},
                                     {"Name", &kGoString}};
constexpr GoType kDriver{Kind::kStruct, "x.Driver", nullptr, kDriverFields};
constexpr GoField kRootFsFields[] = {{"Type", &kGoString},
                                     {"Layers", &kGoStrings}};
constexpr GoType kRootFs{Kind::kStruct, "x.RootFS", nullptr, kRootFsFields};
constexpr GoField kFields[] = {
    {"Id", &kGoString},           {"RepoTags", &kGoStrings},
    {"RepoDigests", &kGoStrings}, {"Config", &kConfig},
    {"Health", &kHealth},         {"Architecture", &kGoString},
    {"Os", &kGoString},           {"Size", &kGoInt64},
    {"GraphDriver", &kDriver},    {"RootFS", &kRootFs}};
constexpr GoType kType{Kind::kStruct, "x.Image", nullptr, kFields};

std::string Render(std::string_view text) {
  const auto parsed = Template::Parse(text);
  if (!parsed) return "parsing: " + parsed.error().message();
  const auto result = parsed->Execute(Data(), kType);
  return result ? *result : "running: " + result.error().message();
}

struct Case {
  std::string_view text;
  std::string_view result;
};

// Printed by `docker image inspect --format` (28.2) for the same image.
constexpr Case kDocker[] = {
    {"{{.Id}}", "sha256:abcdef"},
    {"{{.Size}} {{.Os}}/{{.Architecture}}", "123456 linux/amd64"},
    {"{{.RepoTags}}", "[x:latest y:1]"},
    {"{{.RepoDigests}}", "[]"},
    {"{{.Config.Env}}", "[A=b C=d&e<f>]"},
    {"{{.Config.Labels}}", "map[a.b:c k:é日]"},
    {"{{.Config.Entrypoint}}", "[]"},
    {"{{.Config.Volumes}}", "map[]"},
    {"{{.Config.User}}|", "|"},
    {"{{.RootFS}}", "{layers [sha256:1 sha256:2]}"},
    {"{{json .RootFS}}",
     R"({"Type":"layers","Layers":["sha256:1","sha256:2"]})"},
    {"{{json .Config.Env}}", R"(["A=b","C=d&e<f>"])"},
    {"{{json .Config.Entrypoint}}", "null"},
    {"{{json .Config.Volumes}}", "null"},
    {"{{json .Config.Labels}}", R"({"a.b":"c","k":"é日"})"},
    {"{{.GraphDriver.Data}} {{json .GraphDriver.Data}}", "map[] null"},
    {"{{range .Config.Env}}[{{.}}]{{end}}", "[A=b][C=d&e<f>]"},
    {"{{range $i, $e := .Config.Env}}{{$i}}={{$e}};{{end}}",
     "0=A=b;1=C=d&e<f>;"},
    {"{{range $e := .Config.Env}}{{$e}};{{end}}", "A=b;C=d&e<f>;"},
    {"{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a.b=c;k=é日;"},
    {"{{range $p, $conf := .Config.ExposedPorts}}{{$p}} {{end}}",
     "443/tcp 80/tcp "},
    {"{{range .RepoDigests}}x{{else}}none{{end}}", "none"},
    {"{{range $i, $e := .Config.Cmd}}{{if eq $i 1}}{{continue}}{{end}}{{$e}} "
     "{{end}}",
     "nginx daemon off; "},
    {"{{range .Config.Cmd}}{{.}}{{break}}{{end}}", "nginx"},
    {"{{if .Config.User}}user{{else if .Config.Cmd}}cmd{{else}}none{{end}}",
     "cmd"},
    {"{{if .Config.Entrypoint}}yes{{else}}no{{end}}", "no"},
    {R"({{with .Config.Labels}}{{index . "k"}}{{end}})", "é日"},
    {"{{with .Config.User}}{{.}}{{else}}root{{end}}", "root"},
    {"{{with $x := .Size}}{{$x}}{{end}}", "123456"},
    {R"({{index .Config.Labels "a.b"}}|{{index .Config.Labels "none"}}|)",
     "c||"},
    {"{{index .Config.Env 1}}", "C=d&e<f>"},
    {"{{.Config.Labels.k}} {{.Config.Labels.nope}}", "é日 <no value>"},
    {"{{len .Config.Env}} {{len .Id}} {{len .Config.Labels}} {{len "
     ".Config.Entrypoint}}",
     "2 13 2 0"},
    {"{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{$x}}{{$y}}{{end}}{{$x}}",
     "232"},
    {"{{$.Id}} {{with .RootFS}}{{.Type}} {{$.Os}}{{end}}",
     "sha256:abcdef layers linux"},
    {R"({{join .RepoTags ", "}} {{split "a,b,c" ","}} {{index (split .Id ":") 1}})",
     "x:latest, y:1 [a b c] abcdef"},
    {R"({{.Os | upper}} {{title "hello world"}} {{lower "ABC"}} {{upper .Os | lower}})",
     "LINUX Hello World abc linux"},
    {R"({{pad .Os 2 3}}|{{pad "" 2 3}}|{{truncate .Id 6}}|{{truncate .Os 60}})",
     "  linux   ||sha256|linux"},
    {R"({{printf "%s %d %v %q" .Os .Size .RepoTags .Os}})",
     R"(linux 123456 [x:latest y:1] "linux")"},
    {R"({{printf "%10s|%-10s|%05d|%x|%X|%o|%b|%c" .Os .Os 42 255 255 8 5 65}})",
     "     linux|linux     |00042|ff|FF|10|101|A"},
    {R"({{printf "%.2f %8.3f %e %g %t %%" 3.14159 2.5 1234.5 0.1 true}})",
     "3.14    2.500 1.234500e+03 0.1 true %"},
    {R"({{printf "%d %s %d" "x" 5}})", "%!d(string=x) %!s(int=5) %!d(MISSING)"},
    {R"({{printf "a" 1 "b"}})", "a%!(EXTRA int=1, string=b)"},
    {R"({{printf "%x %q %s" "hi" .RepoTags .RepoTags}})",
     R"(6869 ["x:latest" "y:1"] [x:latest y:1])"},
    {R"({{printf "%.3s|%6.2s|%+d|% d" "abcdef" "abcdef" 5 5}})",
     "abc|    ab|+5| 5"},
    {R"({{print 1 2 "a" "b" 3}} {{println "a" 1}}x)",
     R"(1 2ab3 a 1
x)"},
    {R"({{eq .Os "linux"}} {{eq .Os "a" "linux"}} {{ne .Os "linux"}} {{eq 1 1}})",
     "true true false true"},
    {R"({{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge "b" "a"}} {{lt 1.5 2.5}})",
     "true true false true true"},
    {R"({{and .Os .Size}} {{and "" .Size}}| {{or "" .Os}} {{or "" 0}} {{not .Os}} {{not ""}})",
     "123456 | linux 0 false true"},
    {"{{slice .Id 7 10}} {{slice .RepoTags 1}} {{slice .Id 7}}",
     "abc [y:1] abcdef"},
    {R"({{"quoted \"x\" \t\u00e9\x41\101"}} {{`raw \n`}} {{'a'}} {{0x1F}} {{1e3}} {{-5}} {{1.5}})",
     R"(quoted "x" 	éAA raw \n 97 31 1000 -5 1.5)"},
    {R"(a {{- " trim " -}} b {{/* comment */}}c {{- /* trimmed */ -}} d)",
     "a trim b cd"},
    {R"({{true}} {{false}} {{.Size | printf "%d bytes"}})",
     "true false 123456 bytes"},
    {R"({{if and (eq .Os "linux") (gt .Size 1000)}}big linux{{end}})",
     "big linux"},
    {"{{(index .RepoTags 0)}} {{(.RootFS).Type}}", "x:latest layers"},
    {"{{range $i, $l := .RootFS.Layers}}{{if $i}}, {{end}}{{$l}}{{end}}",
     "sha256:1, sha256:2"},
    {R"({{json .Size}} {{json "a<b>&"}} {{json true}})",
     R"(123456 "a<b>&" true)"},
    {"{{range 3}}{{.}}{{end}}", "012"},
    {"{{.Config.Healthcheck}}", "<nil>"},
    {"{{.Config.ExposedPorts}}", "map[443/tcp:{} 80/tcp:{}]"},
    {R"({{index .Config.ExposedPorts "80/tcp"}})", "{}"},
    {"{{range $p, $e := .Config.ExposedPorts}}{{$p}}{{$e}} {{end}}",
     "443/tcp{} 80/tcp{} "},
    {"{{.Health}}", "{[CMD x] 30s 0s 3}"},
    {"{{.Health.Interval}} {{.Health.Timeout}}", "30s 0s"},
    {"{{json .Health.Interval}} {{json .Health.Timeout}}", "30000000000 0"},
    {R"({{printf "%v %d %s" .Health.Interval .Health.Interval .Health.Timeout}})",
     "30s 30000000000 0s"},
    {"{{eq .Health.Timeout 0}} {{gt .Health.Interval 1}}", "true true"},
    {"{{.Config.Labels | json | len}}", "23"},
    {R"({{- range .Config.Env}}
  {{.}}
{{- end}})",
     R"(
  A=b
  C=d&e<f>)"},
    {"{{range .Config.Env -}} {{.}} {{- end}}", "A=bC=d&e<f>"},
    {"{{with .Config.User}}a{{else with .Os}}{{.}}{{end}}", "linux"},
    {"{{range .Size}}{{end}}ok", "ok"}};

TEST(Template, PrintsWhatDockerPrints) {
  for (const Case& c : kDocker) EXPECT_EQ(Render(c.text), c.result) << c.text;
}

constexpr Case kWrong[] = {
    {"{{index .RepoTags 5}}", "at byte 3: index: index out of range: 5"},
    {"{{.Nope}}", R"(at byte 3: no field "Nope"; there are Id, RepoTags)"},
    {"{{.Config.Nope}}", R"(at byte 3: no field "Nope"; there are User)"},
    {"{{.Os.x}}", R"(at byte 3: no field "x" in a value of type string)"},
    {"{{nofunc .Id}}", R"(at byte 3: no function "nofunc"; there are and, or)"},
    {"{{.Id", "at byte 1: unclosed action"},
    {"{{if .Id}}x", "missing {{end}}"},
    {"{{end}}", R"(at byte 3: unexpected "end")"},
    {"{{else}}", R"(at byte 3: unexpected "else")"},
    {"{{$x}}", R"(at byte 3: undefined variable "$x")"},
    {R"({{.Id | "x"}})", "at byte 9: a value cannot take what is piped to it"},
    {"{{eq .Os 1}}", "eq: string and int do not compare"},
    {"{{eq .Os}}", "eq: takes at least 2, got 1"},
    {"{{lt .RepoTags 1}}", "lt: list and int do not compare"},
    {"{{len 3}}", "len: int has no length"},
    {"{{range .Os}}{{end}}",
     "at byte 9: range cannot go over a value of type string"},
    {"{{split .Os}}", "split: takes exactly 2, got 1"},
    {R"({{join .Os ","}})", "join: needs a list, got string"},
    {"{{1 2}}", "at byte 3: only a function takes arguments"},
    {"{{.Id.}}", R"(at byte 6: unexpected ".")"},
    {R"({{"x}})", "at byte 3: unterminated string"},
    {"{{break}}", "at byte 3: break outside of a range"},
    {"{{/* c }}", "at byte 1: unclosed comment"},
    {"{{}}", "at byte 3: missing value"},
    {R"({{template "x"}})", R"(at byte 12: no template "x")"},
    {R"({{define "x"}}{{template "x"}}{{end}}{{template "x"}})",
     "exceeded maximum template depth"},
    {"{{nil}}", "at byte 3: nil is not a command"},
    {R"({{define "x"}}a{{end}}{{define "x"}}b{{end}})", "two templates"},
    {R"({{if .Id}}{{define "x"}}{{end}}{{end}})", "within something else"},
    {"{{define .Id}}{{end}}", R"(unexpected "Id")"},
    {R"({{$v := 1}}{{block "x" .}}{{$v}}{{end}})",
     R"(undefined variable "$v")"},
    {R"({{range .RepoTags}}{{block "x" .}}{{break}}{{end}}{{end}})",
     "break outside of a range"},
    {"{{call .Id}}", "call: needs a function, got string"},
    {"{{.Health.Interval.Round}}", "Round: takes exactly 1, got 0"},
    {R"({{.Health.Interval.Round "1"}})", "needs a time.Duration, got string"},
    {"{{range $i, $j := 3}}{{end}}", "range over a number has one variable"},
    {R"({{$x := "0123456789"}}{{range 40}}{{$x = print $x $x}}{{end}})",
     "too much text"},
    {"{{if .Id}}{{$y := 1}}{{end}}{{$y}}", R"(undefined variable "$y")"},
    {"{{if .Id}}{{$y := 1}}{{else}}{{$y}}{{end}}",
     R"(undefined variable "$y")"},
    {"{{.Id .Os}}", "only a function takes arguments"},
    {"{{'}}", "unterminated string"},
    {R"({{"\q"}})", "unknown escape"},
    {"{{(.Id}}", "unclosed parenthesis"},
    {"{{12345678901234567890}}", R"(bad number "12345678901234567890")"},
    {"{{1x}}", R"(bad number "1x")"},
    {"{{pad .Os 1 1000000}}", "pad: needs a number from 0 to 100000"},
    {"{{truncate .Os -1}}", "truncate: needs a number from 0"},
    {"{{index .Config.Labels 1}}", "index: a map is indexed by a string"},
    {"{{slice .Id 5 2}}", "slice: the slice ends before it begins"},
    {"{{upper .Size}}", "upper: needs a string, got int"},
    {"{{range 100000000}}{{end}}", "takes too long"},
    {"{{\x01}}", R"(unexpected "\x01")"}};

TEST(Template, SaysWhatIsWrongAndWhere) {
  for (const Case& c : kWrong) {
    const auto parsed = Template::Parse(c.text);
    const Error error =
        parsed ? parsed->Execute(Data(), kType).error() : parsed.error();
    EXPECT_EQ(error.code(), ErrorCode::kUsage) << c.text;
    EXPECT_THAT(error.message(), HasSubstr(c.result)) << c.text;
  }
}

TEST(Template, IsNotNestedWithoutEnd) {
  std::string blocks;
  for (int i = 0; i < 1000; ++i) blocks += "{{if true}}";
  EXPECT_THAT(Render(blocks), HasSubstr("nested too deeply"));
  EXPECT_THAT(Render("{{" + std::string(1000, '(') + "}}"),
              HasSubstr("nested too deeply"));
}

TEST(Template, LeavesPlainTextAsItIs) {
  EXPECT_EQ(Render(""), "");
  EXPECT_EQ(Render("a } }} { b\n"), "a } }} { b\n");
}

TEST(TemplateHeader, LeavesNamesAsTheyAre) {
  const auto header = [](std::string_view text) {
    return Template::Parse(text)->ExecuteHeader({{"ID", "IMAGE ID"}});
  };
  EXPECT_EQ(header("{{.ID}}"), "IMAGE ID");
  EXPECT_EQ(header("{{json .ID}} {{lower .ID}} {{join .ID \"x\"}}"),
            "IMAGE ID IMAGE ID IMAGE ID");
  EXPECT_EQ(header("{{pad .ID 1 1}}|{{.Other}}"), " IMAGE ID |<no value>");
}

// As time.Duration.String() documents it.
TEST(Template, PrintsDurationsAsGoDoes) {
  const std::pair<int64_t, std::string> kCases[] = {
      {0, "0s"},
      {1, "1ns"},
      {1'500, "1.5µs"},
      {20'000'000, "20ms"},
      {-1'001'000'000, "-1.001s"},
      {90'000'000'000, "1m30s"},
      {3'600'000'000'000, "1h0m0s"},
      {5'400'500'000'000, "1h30m0.5s"},
      {INT64_MIN, "-2562047h47m16.854775808s"}};
  static constexpr GoField kDurationField[] = {{"D", &kGoDuration}};
  constexpr GoType kDurationType{Kind::kStruct, "x.D", nullptr, kDurationField};
  const auto parsed = Template::Parse("{{.D}}");
  for (const auto& [nanoseconds, text] : kCases) {
    EXPECT_EQ(*parsed->Execute({{"D", nanoseconds}}, kDurationType), text);
  }
}

}  // namespace
}  // namespace imgmount
