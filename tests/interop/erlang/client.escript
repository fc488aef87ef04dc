#!/usr/bin/env escript
%% -*- erlang -*-
%%! -kernel logger_level error
%% A Gy client on the Diameter of Erlang/OTP, which checks every answer against the grammar of gy.dia.
%% usage: client.escript FOLDER GY_DIA PORT SESSIONS SUBSCRIBER RATING_GROUP CONTEXT UNIT USED
%% Runs so many sessions side by side: INITIAL, UPDATE after USED units, TERMINATION after USED more.
%% Prints a line an answer: "type number result service-result"; "bad ..." for one that breaks the grammar.
-mode(compile).

main([Folder, Dia, Port, Count, Who, Group, Context, Unit, Amount]) ->
    ok = diameter_make:codec(Dia, [erl, hrl, {outdir, Folder}]),
    {ok, gy, Codec} = compile:file(filename:join(Folder, "gy.erl"), [binary, {i, Folder}]),
    {module, gy} = code:load_binary(gy, "gy", Codec),
    {ok, callbacks, Callbacks} = compile:forms(callbacks()),
    {module, callbacks} = code:load_binary(callbacks, "callbacks", Callbacks),
    ok = diameter:start(),
    ok = diameter:start_service(client, [
        {'Origin-Host', "otp.test.invalid"}, {'Origin-Realm', "test.invalid"},
        {'Vendor-Id', 10415}, {'Product-Name', "OTP"}, {'Auth-Application-Id', [4]},
        {decode_format, map}, {string_decode, false}, {restrict_connections, false},
        {application, [{alias, gy}, {dictionary, gy}, {module, callbacks}, {answer_errors, callback}]}]),
    true = diameter:subscribe(client),
    {ok, _} = diameter:add_transport(client, {connect, [
        {transport_module, diameter_tcp},
        {transport_config, [{raddr, {127, 0, 0, 1}}, {rport, list_to_integer(Port)}, {reuseaddr, true}]},
        {connect_timer, 1000}]}),
    receive {diameter_event, client, Event} when element(1, Event) =:= up -> ok
    after 60000 -> io:format("no connection~n"), halt(2) end,
    Me = self(), Sessions = list_to_integer(Count),
    Used = #{list_to_atom(Unit) => [list_to_integer(Amount)]},
    About = {Who, list_to_integer(Group), Context},
    [spawn_link(fun() -> Me ! {said, session(About, Used)} end) || _ <- lists:seq(1, Sessions)],
    [receive {said, Lines} -> [io:format("~s~n", [Line]) || Line <- Lines] end || _ <- lists:seq(1, Sessions)],
    diameter:stop_service(client),  % with a DPR
    halt(0).

session(About, Used) ->
    %% Two programs started in one second would count from the same number.
    Id = lists:flatten([diameter:session_id("otp.test.invalid"), ";", os:getpid()]),
    Asked = #{'Requested-Service-Unit' => [#{}]},
    Report = #{'Used-Service-Unit' => [Used]},
    [ask(Id, About, Type, Number, Service) || {Type, Number, Service} <-
        [{1, 0, Asked}, {2, 1, maps:merge(Asked, Report)}, {3, 2, Report}]].

ask(Id, {Who, Group, Context}, Type, Number, Service) ->
    Answer = diameter:call(client, gy, ['CCR' | #{
        'Session-Id' => Id, 'Destination-Realm' => "test.invalid", 'Auth-Application-Id' => 4,
        'Service-Context-Id' => Context, 'CC-Request-Type' => Type, 'CC-Request-Number' => Number,
        'Subscription-Id' => [#{'Subscription-Id-Type' => 0, 'Subscription-Id-Data' => Who}],
        'Multiple-Services-Credit-Control' => [Service#{'Rating-Group' => [Group]}]}], [{timeout, 60000}]),
    case Answer of
        {ok, #{'Result-Code' := Code, 'Multiple-Services-Credit-Control' := [Of | _]}} ->
            line([Type, Number, Code, hd(maps:get('Result-Code', Of, [none]))]);
        {ok, #{'Result-Code' := Code}} ->
            line([Type, Number, Code, none]);
        Bad ->
            io_lib:format("bad ~w ~w ~0p", [Type, Number, Bad])
    end.

line(Words) ->
    lists:join(" ", [io_lib:format("~w", [Word]) || Word <- Words]).

%% The callback module of the application, compiled at start so that one file is enough.
callbacks() ->
    Lines = ["-module(callbacks).", "-compile([export_all, nowarn_export_all, nowarn_unused_vars]).",
             "peer_up(_, _, S) -> S.", "peer_down(_, _, S) -> S.",
             "pick_peer([P | _], _, _, _) -> {ok, P}; pick_peer([], _, _, _) -> false.",
             "prepare_request({diameter_packet, H, A, ['CCR' | M], B, E, T}, _, {_, C}) ->"
             " {diameter_caps, {OH, _}, {OR, _}, _, _, _, _, _, _, _, _, _, _, _} = C,"
             " {send, ['CCR' | M#{'Origin-Host' => OH, 'Origin-Realm' => OR}]}.",
             "prepare_retransmit(P, _, _) -> {send, P}.",
             "handle_answer({diameter_packet, _, _, ['CCA' | M], _, [], _}, _, _, _) -> {ok, M};"
             "handle_answer({diameter_packet, _, _, Msg, _, Errs, _}, _, _, _) -> {decode_errors, Errs, Msg}.",
             "handle_error(R, _, _, _) -> {error, R}.",
             "handle_request(_, _, _) -> {answer_message, 3001}."],
    [begin {ok, Tokens, _} = erl_scan:string(Line), {ok, Form} = erl_parse:parse_form(Tokens), Form end || Line <- Lines].
