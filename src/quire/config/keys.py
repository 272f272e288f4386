"""Names beyond the schema: Codex's keys that have no effect here, and what a project may set."""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


UNSUPPORTED = _names(
    """
    agents apps apps_mcp_product_sku audio auto_review browser_use
    client_search_provider cloud compact_prompt computer_use daybreak
    experimental_compact_prompt_file experimental_realtime_start_instructions
    experimental_realtime_webrtc_call_base_url experimental_realtime_ws_backend_prompt
    experimental_realtime_ws_base_url experimental_realtime_ws_model
    experimental_realtime_ws_startup_context experimental_thread_store
    experimental_thread_store_endpoint forced_chatgpt_workspace_id forced_login_method
    ghost_snapshot goals hooks instructions js_repl_node_module_dirs js_repl_node_path log_dir
    marketplaces mcp_enterprise_managed_auth mcp_oauth_callback_port mcp_oauth_callback_url
    mcp_oauth_credentials_store mcp_optional_startup_grace_ms mcp_servers memories
    model_auto_compact_token_limit model_auto_compact_token_limit_scope
    model_post_turn_compact_threshold_percent notify orchestrator oss_provider otel
    personality plan_mode_reasoning_effort plugins profiles realtime responses_api_metadata
    skills sqlite_home tool_suggest web_search
    """
)
"""Keys of features that do not exist yet: accepted, without effect, one warning each."""

WITHOUT_EFFECT = _names(
    """
    allow_symlinked_codex_home analytics chatgpt_base_url check_for_update_on_startup
    cli_auth_credentials_store desktop disable_paste_burst experimental_use_unified_exec_tool
    feedback file_opener history include_apps_instructions
    include_collaboration_mode_instructions notice suppress_unstable_features_warning tui windows
    """
)
"""Keys for looks, notices and services that change nothing here: accepted silently."""

NESTED_UNSUPPORTED: dict[str, frozenset[str]] = {
    "model_providers": _names(
        """
        auth aws capabilities credential_file gateway_oauth location model_catalog_url project_id
        supports_websockets websocket_connect_timeout_ms
        """
    ),
    "shell_environment_policy": frozenset(["experimental_use_profile", "filters"]),
    "tools": frozenset(["web_search"]),
}
"""The same inside a table that is supported otherwise."""

PROJECT_KEYS = _names(
    """
    allow_login_shell approval_policy background_terminal_max_timeout developer_instructions
    features hide_agent_reasoning include_environment_context include_environment_context_time
    include_permissions_instructions model model_context_window model_reasoning_effort
    model_reasoning_summary model_verbosity offline project_doc_fallback_filenames
    project_doc_max_bytes sandbox_mode sandbox_workspace_write service_tier shell_environment_policy
    show_raw_agent_reasoning tool_output_token_limit tools
    """
)
"""What a trusted project's file may set. A repository changes with every pull: it does not choose
where prompts and keys go, which files are read into them, or what runs outside the sandbox."""

SUPPORTED_FEATURES = _names(
    """
    apply_patch_freeform exec_permission_approvals request_permissions_tool shell_snapshot
    shell_tool unbounded_connection_retries unified_exec unified_exec_tty use_linux_sandbox_bwrap
    view_image
    """
)
"""Features whose behaviour exists here, whether or not a switch turns it off."""

FEATURES = SUPPORTED_FEATURES | _names(
    """
    analytics_plan_history api_key_cyber_access_programs api_key_model_discovery
    apply_patch_preserve_line_endings apps apps_mcp_path_override auth_elicitation
    bedrock_setup_wizard browser_annotation_api browser_use browser_use_external
    browser_use_full_cdp_access cli_daybreak code_mode code_mode_buffered_exec code_mode_host
    code_mode_host_grpc code_mode_host_output_truncation code_mode_interrupt code_mode_only
    code_mode_tool_description_first codex_git_commit collaboration_modes compaction_image_budget
    computer_use content_item_kinds daemon_auto_start default_mode_request_user_input
    deferred_tool_world_state elevated_windows_sandbox enable_fanout enable_request_compression
    experimental_windows_sandbox external_migration fast_mode
    gateway_setup_wizard gcp_setup_wizard goals guardian_approval guardian_ext
    guardian_include_additional_context guardian_reuse_parent_compaction guardianv2.thread_context
    hooks image_detail_original image_generation in_app_browser in_app_chat in_app_dictation
    in_app_local_automation in_app_updates in_app_voice incremental_tools incremental_tools_legacy
    incremental_tools_legacy_gcp item_ids js_repl js_repl_tools_only
    local_thread_store_shared_compression login_shell_package_path mcp_oauth_refresh_coordination
    memories mentions_v2 multi_agent multi_agent_mode multi_agent_v2 network_proxy personality
    plugin_discovery_prefetch plugin_hooks plugin_sharing plugins prediction_preserve_parent_tools
    prevent_idle_sleep realtime_conversation reasoning_effort_override recommended_plugins
    remote_compaction_v2 remote_control remote_models remote_plugin
    request_rule resize_all_images respect_system_proxy responses_websockets responses_websockets_v2
    retain_client_tool_outputs runtime_metrics search_tool secret_auth_storage send_async_message
    shell_snapshot_v2 shell_zsh_fork skill_env_var_dependency_prompt skill_mcp_dependency_install
    skill_search sleep_tool sqlite stable_environment_tools steer
    suppress_model_change_announcements system_proxy_fallback terminal_resize_reflow token_budget
    tool_call_mcp_elicitation tool_search tool_search_always_defer_mcp_tools tool_suggest
    transcript_v2 tui_app_server ultrafast_mode unavailable_dummy_tools undo unified_exec_zsh_fork
    unified_image_budget untrusted_as_tool_output use_legacy_landlock web_search_cached
    web_search_request workspace_dependencies workspace_owner_usage_nudge worktrees
    write_stdin_approval
    """
)
"""Names of Codex 0.169 that may stand in people's files."""
